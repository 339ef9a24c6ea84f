"""Encodings are found from the bytes of small files, whatever they are declared to be."""

from __future__ import annotations

import codecs

import pytest

from mintql.institutions.files.base import FileUnreadable
from mintql.institutions.files.decoding import codec_of, decode

HEAD = "Date,Payee,Amount\n2026-11-20,"
WESTERN = "Café René Müller François Ågård Søren"
POLISH = "Żabka łódź pożyczka Święto"
CZECH = "Dvořák večeře Plzeň účet"
RUSSIAN = "Покупка в магазине"
CHINESE = "北京餐厅上海超市"
TAIWANESE = "臺北餐廳購物中心付款"
JAPANESE = "東京スーパー山田商店"
KOREAN = "서울식품부산마트김지후"


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        ("Bakery", "ascii", "utf-8"),
        (WESTERN, "utf-8", "utf-8"),
        (WESTERN, "utf-8-sig", "utf-8"),
        (WESTERN, "utf-16", "utf-16-le"),
        (WESTERN, "utf-16-le", "utf-16-le"),
        (WESTERN, "utf-16-be", "utf-16-be"),
        (WESTERN, "utf-32", "utf-32-le"),
        (WESTERN, "iso8859-1", "iso8859-1"),
        (WESTERN + " \u2013 5 €", "cp1252", "cp1252"),
        (WESTERN + " 5 €", "iso8859-15", "iso8859-15"),
        (WESTERN, "cp850", "cp850"),
        (WESTERN, "mac-roman", "mac-roman"),
        ("£35.00 at Tesco £5", "cp1252", "iso8859-1"),
        ("1\u00a0234,56", "cp1252", "iso8859-1"),
        (POLISH, "cp1250", "cp1250"),
        (POLISH, "iso8859-2", "iso8859-2"),
        (POLISH, "cp852", "cp852"),
        (CZECH, "cp1250", "cp1250"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        ("Ελληνικά καλημέρα", "cp1253", "cp1253"),
        ("İstanbul ağaç şeker ışık", "cp1254", "cp1254"),  # noqa: RUF001
        (CHINESE, "gb18030", "gb18030"),
        (CHINESE, "utf-16-le", "utf-16-le"),
        (TAIWANESE, "big5", "big5"),
        (JAPANESE, "euc_jp", "euc_jp"),
        (JAPANESE, "cp932", "cp932"),
        (KOREAN, "euc_kr", "euc_kr"),
    ],
)
@pytest.mark.parametrize("declared", ["", "1252", "UTF-8", "ISO-8859-1"])
def test_a_text_is_read_as_it_was_written(text, encoding, found, declared):
    decoded = decode((HEAD + text + ",-1.00\n").encode(encoding), declared)
    assert (decoded.text, decoded.encoding) == (HEAD + text + ",-1.00\n", found)
    assert decoded.words


def test_a_declaration_decides_where_the_bytes_leave_it_open():
    assert decode("Łódź".encode("iso8859-2"), "ISO-8859-2").text == "Łódź"
    assert decode("餐厅".encode("gb18030"), "GB2312").text == "餐厅"


def test_some_damaged_bytes_are_lost_aloud_and_the_rest_is_utf_8_still():
    decoded = decode((HEAD + "Café Rémy").encode().replace(b"R", b"R\xff"))
    assert (decoded.encoding, decoded.text) == ("utf-8", HEAD + "Café R\ufffdémy")
    assert "1 places are not utf-8" in decoded.notices[0]


def test_zero_bytes_between_letters_make_no_utf_16():
    assert decode((HEAD + "Café\0\0 Rémy" + "\0" * 64).encode()).encoding == "utf-8"


@pytest.mark.parametrize("name", ["zlib", "rot13", "base64", "idna", "utf-7", "unicode_escape", "nothing", ""])
def test_only_encodings_of_texts_are_taken(name):
    assert codec_of(name) == ""
    if name:
        with pytest.raises(FileUnreadable, match="no encoding that is read"):
            decode(b"a", wanted=name)


def test_what_a_person_says_is_followed():
    content = codecs.BOM_UTF16_LE + "Müller".encode("utf-16-le")
    assert decode(content, wanted="utf-16").text == "Müller"
    assert decode("Müller".encode("cp852"), wanted="852").text == "Müller"
    assert decode("Müller".encode(), wanted="latin-1").text == "MÃ¼ller"
