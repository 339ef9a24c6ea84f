"""Tables shaped as banks and programs export them, each with what has to come of it."""

# ruff: noqa: RUF001

from __future__ import annotations

import pytest

from mintql.institutions.files.reading import read_file
from support.files import rows_of

TABLES = {
    "ynab for import": (
        (
            "Date,Payee,Memo,Outflow,Inflow\n"
            "01/25/12,Sample Payee,Sample Memo for an outflow,100.00,\n"
            "01/26/12,Sample Payee 2,Sample memo for an inflow,,500.00\n"
        ),
        [("2012-01-25", -10000, ""), ("2012-01-26", 50000, "")],
        None,
        0,
    ),
    "ynab for import, one amount": (
        "Date,Payee,Memo,Amount\n01/25/12,Sample Payee,Sample Memo for an outflow,-100.00\n01/26/12,P2,Memo,500.00\n",
        [("2012-01-25", -10000, ""), ("2012-01-26", 50000, "")],
        None,
        0,
    ),
    "paypal": (
        (
            '"Date","Time","TimeZone","Name","Type","Status","Currency","Gross","Fee","Net","From Email Address","To Email Address","Transaction ID","Balance"\n'
            '"01/15/2024","10:00:00","PST","Shop Inc","Express Checkout Payment","Completed","USD","-25.00","0.00","-25.00","a@b.c","s@h.p","1AB23456CD789012E","75.00"\n'
            '"01/16/2024","11:00:00","PST","Bob","Payment","Completed","USD","50.00","-1.75","48.25","b@b.c","a@b.c","2AB23456CD789012E","123.25"\n'
        ),
        [("2024-01-15", -2500, "USD"), ("2024-01-16", 4825, "USD")],
        12325,
        0,
    ),
    "revolut": (
        (
            "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,Balance\n"
            "CARD_PAYMENT,Current,2024-01-05 10:00:00,2024-01-06 09:00:00,Tesco,-10.50,0.00,GBP,COMPLETED,89.50\n"
            "TOPUP,Current,2024-01-07 10:00:00,2024-01-07 10:00:01,Top-Up,100.00,0.00,GBP,COMPLETED,189.50\n"
            "EXCHANGE,Current,2024-01-08 10:00:00,2024-01-08 10:00:01,Exchanged to EUR,-20.00,0.50,GBP,COMPLETED,169.00\n"
        ),
        [("2024-01-06", -1050, "GBP"), ("2024-01-07", 10000, "GBP"), ("2024-01-08", -2050, "GBP")],
        16900,
        0,
    ),
    "n26": (
        (
            '"Date","Payee","Account number","Transaction type","Payment reference","Amount (EUR)","Amount (Foreign Currency)","Type Foreign Currency","Exchange Rate"\n'
            '"2024-01-05","REWE","","MasterCard Payment","","-12.34","-12.34","EUR","1.0"\n'
            '"2024-01-06","ACME","DE02120300000000202051","Income","Salary","2000.0","","",""\n'
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-06", 200000, "EUR")],
        None,
        0,
    ),
    "n26 since 2024": (
        (
            '"Booking Date","Value Date","Partner Name","Partner Iban",Type,"Payment Reference","Account Name","Amount (EUR)","Original Amount","Original Currency","Exchange Rate"\n'
            '2024-01-05,2024-01-04,REWE,,Presentment,,"Main Account",-12.34,12.34,EUR,1.0000\n'
            '2024-01-06,2024-01-06,ACME,DE02,"Credit Transfer",Salary,"Main Account",2000.00,,,\n'
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-06", 200000, "EUR")],
        None,
        0,
    ),
    "wise": (
        (
            '"TransferWise ID",Date,Amount,Currency,Description,"Payment Reference","Running Balance","Exchange From","Exchange To","Exchange Rate","Payer Name","Payee Name","Payee Account Number",Merchant,"Card Last Four Digits","Card Holder Full Name",Attachment,Note,"Total fees"\n'
            'CARD-123456,05-01-2024,-12.34,EUR,"Card transaction of 12.34 EUR issued by Shop",,87.66,,,,,,,Shop,1234,Me,,,0.00\n'
            'TRANSFER-99,03-01-2024,100.00,EUR,"Received money from X",ref,100.00,,,,X,,,,,,,,0.00\n'
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-03", 10000, "EUR")],
        8766,
        0,
    ),
    "wise history": (
        (
            'ID,Status,Direction,"Created on","Finished on","Source fee amount","Source fee currency","Target fee amount","Target fee currency","Source name","Source amount (after fees)","Source currency","Target name","Target amount (after fees)","Target currency","Exchange rate",Reference,Batch\n'
            "CARD_TRANSACTION-1,COMPLETED,OUT,2024-01-05 10:00:00,2024-01-05 10:00:05,0.00,EUR,,,Me,12.34,EUR,Shop,12.34,EUR,1.0,,\n"
        ),
        [("2024-01-05", -1234, "EUR")],
        None,
        0,
    ),
    "chase card": (
        (
            "Transaction Date,Post Date,Description,Category,Type,Amount,Memo\n"
            "01/05/2024,01/07/2024,STARBUCKS,Food & Drink,Sale,-4.50,\n"
            "01/10/2024,01/10/2024,Payment Thank You,,Payment,100.00,\n"
        ),
        [("2024-01-07", -450, ""), ("2024-01-10", 10000, "")],
        None,
        0,
    ),
    "chase account": (
        (
            "Details,Posting Date,Description,Amount,Type,Balance,Check or Slip #\n"
            "DEBIT,01/05/2024,STARBUCKS,-4.50,DEBIT_CARD,95.50,,\n"
            "CREDIT,01/04/2024,PAY,100.00,ACH_CREDIT,100.00,,\n"
        ),
        [("2024-01-05", -450, ""), ("2024-01-04", 10000, "")],
        9550,
        0,
    ),
    "amex us": (
        (
            "Date,Description,Amount\n"
            "01/05/2024,STARBUCKS,4.50\n"
            "01/13/2024,AUTOPAY PAYMENT - THANK YOU,-100.00\n"
            "01/14/2024,SHOP,10.00\n"
        ),
        [("2024-01-05", -450, ""), ("2024-01-13", 10000, ""), ("2024-01-14", -1000, "")],
        None,
        0,
    ),
    "amex uk": (
        (
            "Date,Description,Card Member,Account #,Amount,Extended Details,Appears On Your Statement As,Address,City/State,Zip Code,Country,Reference,Category\n"
            "13/01/2024,TESCO,A PERSON,-12345,4.50,,TESCO,,,,UNITED KINGDOM,'AT240',Groceries\n"
            "14/01/2024,PAYMENT RECEIVED - THANK YOU,A PERSON,-12345,-50.00,,PAYMENT,,,,,'AT241',\n"
            "15/01/2024,SHOP,A PERSON,-12345,14.50,,TESCO,,,,UNITED KINGDOM,'AT242',Groceries\n"
        ),
        [("2024-01-13", -450, ""), ("2024-01-14", 5000, ""), ("2024-01-15", -1450, "")],
        None,
        0,
    ),
    "bank of america": (
        (
            "Description,,Summary Amt.\n"
            'Beginning balance as of 01/01/2024,,"1,000.00"\n'
            'Total credits,,"500.00"\n'
            'Total debits,,"-4.50"\n'
            'Ending balance as of 01/31/2024,,"1,495.50"\n'
            "\n"
            "Date,Description,Amount,Running Bal.\n"
            '01/01/2024,Beginning balance as of 01/01/2024,,"1,000.00"\n'
            '01/05/2024,"STARBUCKS",-4.50,"995.50"\n'
            '01/10/2024,"PAY","500.00","1,495.50"\n'
        ),
        [("2024-01-05", -450, ""), ("2024-01-10", 50000, "")],
        149550,
        0,
    ),
    "bank of america card": (
        (
            "Posted Date,Reference Number,Payee,Address,Amount\n"
            '01/05/2024,24000000001,"STARBUCKS","SEATTLE WA ",-4.50\n'
            '01/06/2024,24000000002,"PAYMENT","",100.00\n'
        ),
        [("2024-01-05", -450, ""), ("2024-01-06", 10000, "")],
        None,
        0,
    ),
    "capital one": (
        (
            "Transaction Date,Posted Date,Card No.,Description,Category,Debit,Credit\n"
            "2024-01-05,2024-01-06,1234,STARBUCKS,Dining,4.50,\n"
            "2024-01-10,2024-01-10,1234,CAPITAL ONE MOBILE PYMT,Payment/Credit,,100.00\n"
        ),
        [("2024-01-06", -450, ""), ("2024-01-10", 10000, "")],
        None,
        0,
    ),
    "capital one 360": (
        (
            "Account Number,Transaction Description,Transaction Date,Transaction Type,Transaction Amount,Balance\n"
            "1234,Debit Card Purchase - STARBUCKS,01/05/24,Debit,4.50,95.50\n"
            "1234,Deposit from PAY,01/04/24,Credit,100,100\n"
        ),
        [("2024-01-05", -450, ""), ("2024-01-04", 10000, "")],
        9550,
        0,
    ),
    "citi": (
        (
            "Status,Date,Description,Debit,Credit,Member Name\n"
            'Cleared,01/05/2024,"STARBUCKS",4.50,,ME\n'
            'Cleared,01/06/2024,"PAYMENT",,-100.00,ME\n'
        ),
        [("2024-01-05", -450, ""), ("2024-01-06", 10000, "")],
        None,
        0,
    ),
    "discover": (
        (
            "Trans. Date,Post Date,Description,Amount,Category\n"
            '01/05/2024,01/05/2024,"STARBUCKS",4.50,"Restaurants"\n'
            '01/06/2024,01/06/2024,"INTERNET PAYMENT - THANK YOU",-100.00,"Payments and Credits"\n'
            '01/07/2024,01/07/2024,"SHOP",5.50,"Restaurants"\n'
        ),
        [("2024-01-05", -450, ""), ("2024-01-06", 10000, ""), ("2024-01-07", -550, "")],
        None,
        0,
    ),
    "wells fargo": (
        '"01/05/2024","-4.50","*","","STARBUCKS"\n"01/04/2024","100.00","*","","PAY"\n',
        [("2024-01-05", -450, ""), ("2024-01-04", 10000, "")],
        None,
        0,
    ),
    "us bank": (
        (
            '"Date","Transaction","Name","Memo","Amount"\n'
            '"2024-01-05","DEBIT","STARBUCKS","Download from usbank.com.","-4.50"\n'
        ),
        [("2024-01-05", -450, "")],
        None,
        0,
    ),
    "ing nl": (
        (
            '"Datum","Naam / Omschrijving","Rekening","Tegenrekening","Code","Af Bij","Bedrag (EUR)","Mutatiesoort","Mededelingen"\n'
            '"20240105","Albert Heijn","NL01INGB0001234567","","BA","Af","12,34","Betaalautomaat","Pasvolgnr"\n'
            '"20240106","Baas","NL01INGB0001234567","NL02","GT","Bij","2000,00","Online bankieren","Salaris"\n'
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-06", 200000, "EUR")],
        None,
        0,
    ),
    "ing nl with balance": (
        (
            '"Datum";"Naam / Omschrijving";"Rekening";"Tegenrekening";"Code";"Af Bij";"Bedrag (EUR)";"Mutatiesoort";"Mededelingen";"Saldo na mutatie";"Tag"\n'
            '"20240105";"Albert Heijn";"NL01INGB0001234567";"";"BA";"Af";"12,34";"Betaalautomaat";"Pasvolgnr";"87,66";""\n'
            '"20240104";"Baas";"NL01INGB0001234567";"NL02";"GT";"Bij";"100,00";"Online";"Salaris";"100,00";""\n'
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-04", 10000, "EUR")],
        8766,
        0,
    ),
    "ing de": (
        (
            "Umsatzanzeige;Datei erstellt am: 05.01.2024 10:00\n"
            "\n"
            "IBAN;DE02 5001 0517 0000 0000 01\n"
            "Kontoname;Girokonto\n"
            "Bank;ING\n"
            "Kunde;Max\n"
            "Zeitraum;01.01.2024 - 05.01.2024\n"
            "Saldo;100,00;EUR\n"
            "\n"
            "Sortierung;Datum absteigend\n"
            "\n"
            "\n"
            "Buchung;Wertstellungsdatum;Auftraggeber/Empfänger;Buchungstext;Verwendungszweck;Saldo;Währung;Betrag;Währung\n"
            "05.01.2024;05.01.2024;REWE;Lastschrift;Einkauf;87,66;EUR;-12,34;EUR\n"
            "04.01.2024;04.01.2024;ACME;Gehalt;Lohn;100,00;EUR;100,00;EUR\n"
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-04", 10000, "EUR")],
        8766,
        0,
    ),
    "dkb before 2023": (
        (
            '"Kontonummer:";"DE02120300000000202051 / Girokonto";\n'
            "\n"
            '"Von:";"01.01.2024";\n'
            '"Bis:";"05.01.2024";\n'
            '"Kontostand vom 05.01.2024:";"1.234,56 EUR";\n'
            "\n"
            '"Buchungstag";"Wertstellung";"Buchungstext";"Auftraggeber / Begünstigter";"Verwendungszweck";"Kontonummer";"BLZ";"Betrag (EUR)";"Gläubiger-ID";"Mandatsreferenz";"Kundenreferenz";\n'
            '"05.01.2024";"05.01.2024";"Lastschrift";"REWE";"Einkauf";"DE03";"12030000";"-1.012,34";"";"";"";\n'
            '"04.01.2024";"04.01.2024";"Gehalt";"ACME";"Lohn";"DE03";"12030000";"2.000,00";"";"";"";\n'
        ),
        [("2024-01-05", -101234, "EUR"), ("2024-01-04", 200000, "EUR")],
        None,
        0,
    ),
    "dkb": (
        (
            '"Girokonto";"DE02120300000000202051"\n'
            '"Zeitraum:";"01.01.2024 - 05.01.2024"\n'
            '"Kontostand vom 05.01.2024:";"1.234,56 €"\n'
            '""\n'
            '"Buchungsdatum";"Wertstellung";"Status";"Zahlungspflichtige*r";"Zahlungsempfänger*in";"Verwendungszweck";"Umsatztyp";"IBAN";"Betrag (€)";"Gläubiger-ID";"Mandatsreferenz";"Kundenreferenz"\n'
            '"05.01.24";"05.01.24";"Gebucht";"Max";"REWE";"Einkauf";"Ausgang";"DE03";"-12,34";"";"";""\n'
            '"04.01.24";"04.01.24";"Gebucht";"ACME";"Max";"Lohn";"Eingang";"DE03";"2.000";"";"";""\n'
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-04", 200000, "EUR")],
        None,
        0,
    ),
    "sparkasse": (
        (
            '"Auftragskonto";"Buchungstag";"Valutadatum";"Buchungstext";"Verwendungszweck";"Glaeubiger ID";"Mandatsreferenz";"Kundenreferenz (End-to-End)";"Sammlerreferenz";"Lastschrift Ursprungsbetrag";"Auslagenersatz Ruecklastschrift";"Beguenstigter/Zahlungspflichtiger";"Kontonummer/IBAN";"BIC (SWIFT-Code)";"Betrag";"Waehrung";"Info"\n'
            '"DE02";"05.01.24";"05.01.24";"KARTENZAHLUNG";"Einkauf";"";"";"";"";"";"";"REWE";"DE03";"X";"-12,34";"EUR";"Umsatz gebucht"\n'
            '"DE02";"04.01.24";"05.01.24";"LOHN";"Gehalt";"";"";"";"";"";"";"ACME";"DE03";"X";"2000,00";"EUR";"Umsatz vorgemerkt"\n'
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-04", 200000, "EUR")],
        None,
        0,
    ),
    "volksbank": (
        (
            "Bezeichnung Auftragskonto;IBAN Auftragskonto;BIC Auftragskonto;Bankname Auftragskonto;Buchungstag;Valutadatum;Name Zahlungsbeteiligter;IBAN Zahlungsbeteiligter;BIC (SWIFT-Code) Zahlungsbeteiligter;Buchungstext;Verwendungszweck;Betrag;Waehrung;Saldo nach Buchung;Bemerkung;Kategorie;Steuerrelevant;Glaeubiger ID;Mandatsreferenz\n"
            "Giro;DE02;X;VB;05.01.2024;05.01.2024;REWE;DE03;X;Basislastschrift;Einkauf;-12,34;EUR;87,66;;;;;\n"
            "Giro;DE02;X;VB;04.01.2024;04.01.2024;ACME;DE03;X;Lohn;Gehalt;100,00;EUR;100,00;;;;;\n"
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-04", 10000, "EUR")],
        8766,
        0,
    ),
    "comdirect": (
        (
            ";\n"
            '"Umsätze Girokonto";"Zeitraum: 30 Tage";\n'
            '"Neuer Kontostand";"1.234,56 EUR";\n'
            "\n"
            '"Buchungstag";"Wertstellung (Valuta)";"Vorgang";"Buchungstext";"Umsatz in EUR";\n'
            '"05.01.2024";"05.01.2024";"Lastschrift";" Auftraggeber: REWE Buchungstext: Einkauf";"-12,34";\n'
            '"offen";"--";"Karte";"Shop";"-5,00";\n'
            "\n"
            '"Alter Kontostand";"1.000,00 EUR";\n'
        ),
        [("2024-01-05", -1234, "EUR")],
        None,
        2,
    ),
    "rabobank": (
        (
            '"IBAN/BBAN","Munt","BIC","Volgnr","Datum","Rentedatum","Bedrag","Saldo na trn","Tegenrekening IBAN/BBAN","Naam tegenpartij","Naam uiteindelijke partij","Naam initiërende partij","BIC tegenpartij","Code","Batch ID","Transactiereferentie","Machtigingskenmerk","Incassant ID","Betalingskenmerk","Omschrijving-1","Omschrijving-2","Omschrijving-3","Reden retour","Oorspr bedrag","Oorspr munt","Koers"\n'
            '"NL01RABO0123456789","EUR","RABONL2U","000000000000000001","2024-01-05","2024-01-05","-12,34","+87,66","","AH","","","","bc","","","","","","Betaalautomaat"," ","","","","",""\n'
            '"NL01RABO0123456789","EUR","RABONL2U","000000000000000002","2024-01-06","2024-01-06","+100,00","+187,66","","Baas","","","","cb","","","","","","Salaris"," ","","","","",""\n'
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-06", 10000, "EUR")],
        18766,
        0,
    ),
    "abn amro": (
        (
            "123456789\tEUR\t20240105\t100,00\t87,66\t20240105\t-12,34\tBEA   NR:1 AH\n"
            "123456789\tEUR\t20240106\t87,66\t187,66\t20240106\t100,00\tSEPA Salaris\n"
        ),
        [("2024-01-05", -1234, ""), ("2024-01-06", 10000, "")],
        18766,
        0,
    ),
    "mbank": (
        (
            "mBank S.A. Bankowość Detaliczna;\n"
            "\n"
            "#Klient;\n"
            "JAN KOWALSKI;\n"
            "\n"
            "#Waluta;#Wpływy;#Wydatki;\n"
            "PLN;100,00;-12,34;\n"
            "\n"
            "#Data operacji;#Data księgowania;#Opis operacji;#Tytuł;#Nadawca/Odbiorca;#Numer konta;#Kwota;#Saldo po operacji;\n"
            '2024-01-05;2024-01-05;ZAKUP PRZY UŻYCIU KARTY;"BIEDRONKA";"";\'\';-12,34;87,66;\n'
            '2024-01-06;2024-01-06;PRZELEW;"Pensja";"ACME";\'123\';1 100,00;1 187,66;\n'
        ),
        [("2024-01-05", -1234, "PLN"), ("2024-01-06", 110000, "PLN")],
        118766,
        0,
    ),
    "mbank list": (
        (
            "#Data operacji;#Opis operacji;#Rachunek;#Kategoria;#Kwota;\n"
            '2024-01-05;"BIEDRONKA  ZAKUP";"eKonto 1234";"Żywność";-12,34 PLN;;\n'
            '2024-01-06;"ACME";"eKonto 1234";"Wpływy";2 000,00 PLN;;\n'
        ),
        [("2024-01-05", -1234, "PLN"), ("2024-01-06", 200000, "PLN")],
        None,
        0,
    ),
    "pko": (
        (
            '"Data operacji","Data waluty","Typ transakcji","Kwota","Waluta","Saldo po transakcji","Opis transakcji","","","",""\n'
            '"2024-01-05","2024-01-04","Płatność kartą","-12.34","PLN","+87.66","Tytuł: 1","Lokalizacja: BIEDRONKA","","",""\n'
            '"2024-01-04","2024-01-04","Przelew","+100.00","PLN","+100.00","Nadawca: ACME","","","",""\n'
        ),
        [("2024-01-05", -1234, "PLN"), ("2024-01-04", 10000, "PLN")],
        8766,
        0,
    ),
    "alipay": (
        (
            "支付宝交易记录明细查询\n"
            "账号:[a@b.c]\n"
            "起始日期:[2024-01-01 00:00:00]    终止日期:[2024-02-01 00:00:00]\n"
            "---------------------------------交易记录明细列表------------------------------------\n"
            "交易时间,交易分类,交易对方,对方账号,商品说明,收/支,金额,收/付款方式,交易状态,交易订单号,商家订单号,备注,\n"
            "2024-01-05 10:00:00,餐饮美食,麦当劳,mcd***@x.com,订单支付,支出,32.50,花呗,交易成功,2024010522001\t,M1\t,,\n"
            "2024-01-06 10:00:00,退款,店铺,x,退款-衣服,不计收支,50.00,花呗,退款成功,2024010622002\t,M2\t,,\n"
            "2024-01-07 10:00:00,转账红包,张三,z,转账,收入,100.00,余额,交易成功,2024010722003\t,M3\t,,\n"
        ),
        [("2024-01-05", -3250, "CNY"), ("2024-01-06", 5000, "CNY"), ("2024-01-07", 10000, "CNY")],
        None,
        0,
    ),
    "wechat": (
        (
            "微信支付账单明细,,,,,,,,\n"
            "微信昵称：[我],,,,,,,,\n"
            "起始时间：[2024-01-01 00:00:00] 终止时间：[2024-02-01 00:00:00],,,,,,,,\n"
            ",,,,,,,,\n"
            "----------------------微信支付账单明细列表--------------------,,,,,,,,\n"
            "交易时间,交易类型,交易对方,商品,收/支,金额(元),支付方式,当前状态,交易单号,商户单号,备注\n"
            '2024-01-05 10:00:00,商户消费,麦当劳,"汉堡",支出,¥32.50,零钱,支付成功,100004,M1,"/"\n'
            '2024-01-07 10:00:00,转账,张三,"/",收入,¥100.00,/,已存入零钱,100005,M2,"/"\n'
        ),
        [("2024-01-05", -3250, "CNY"), ("2024-01-07", 10000, "CNY")],
        None,
        0,
    ),
    "monzo": (
        (
            "Transaction ID,Date,Time,Type,Name,Emoji,Category,Amount,Currency,Local amount,Local currency,Notes and #tags,Address,Receipt,Description,Category split,Money Out,Money In\n"
            "tx_0000A1,05/01/2024,10:00:00,Card payment,Tesco,,Groceries,-12.34,GBP,-12.34,GBP,,,,TESCO,,-12.34,\n"
            "tx_0000A2,06/01/2024,10:00:00,Faster payment,ACME,,Income,2000.00,GBP,2000.00,GBP,,,,PAY,,,2000.00\n"
        ),
        [("2024-01-05", -1234, "GBP"), ("2024-01-06", 200000, "GBP")],
        None,
        0,
    ),
    "starling": (
        (
            "Date,Counter Party,Reference,Type,Amount (GBP),Balance (GBP),Spending Category,Notes\n"
            "05/01/2024,Tesco,TESCO,CHIP & PIN,-12.34,87.66,GROCERIES,\n"
            "06/01/2024,ACME,PAY,FASTER PAYMENT,100.00,187.66,INCOME,\n"
        ),
        [("2024-01-05", -1234, "GBP"), ("2024-01-06", 10000, "GBP")],
        18766,
        0,
    ),
    "lloyds": (
        (
            "Transaction Date,Transaction Type,Sort Code,Account Number,Transaction Description,Debit Amount,Credit Amount,Balance\n"
            "06/01/2024,FPI,'11-22-33,12345678,ACME,,100.00,187.66\n"
            "05/01/2024,DEB,'11-22-33,12345678,TESCO,12.34,,87.66\n"
        ),
        [("2024-01-06", 10000, ""), ("2024-01-05", -1234, "")],
        18766,
        0,
    ),
    "barclays": (
        (
            "Number,Date,Account,Amount,Subcategory,Memo\n"
            ",05/01/2024,11-22-33 12345678,-12.34,PAYMENT,TESCO\n"
            ",06/01/2024,11-22-33 12345678,100.00,FT,ACME\n"
        ),
        [("2024-01-05", -1234, ""), ("2024-01-06", 10000, "")],
        None,
        0,
    ),
    "hsbc": (
        '05/01/2024,TESCO,-12.34\n26/01/2024,ACME,"1,000.00"\n',
        [("2024-01-05", -1234, ""), ("2024-01-26", 100000, "")],
        None,
        0,
    ),
    "nationwide": (
        (
            '"Account Name:","FlexAccount ****1"\n'
            '"Account Balance:","£187.66"\n'
            '"Available Balance: ","£187.66"\n'
            "\n"
            '"Date","Transaction type","Description","Paid out","Paid in","Balance"\n'
            '"05 Jan 2024","Visa purchase","TESCO","£12.34","","£87.66"\n'
            '"06 Jan 2024","Bank credit","ACME","","£100.00","£187.66"\n'
        ),
        [("2024-01-05", -1234, "GBP"), ("2024-01-06", 10000, "GBP")],
        18766,
        0,
    ),
    "anz au": (
        '05/01/2024,"-12.34","WOOLWORTHS SYDNEY"\n26/01/2024,"100.00","PAY"\n',
        [("2024-01-05", -1234, ""), ("2024-01-26", 10000, "")],
        None,
        0,
    ),
    "commonwealth bank": (
        '05/01/2024,"-12.34","WOOLWORTHS","+87.66"\n26/01/2024,"+100.00","PAY","+187.66"\n',
        [("2024-01-05", -1234, ""), ("2024-01-26", 10000, "")],
        18766,
        0,
    ),
    "td canada": (
        "01/05/2024,TIM HORTONS,4.50,,95.50\n01/16/2024,PAY,,100.00,195.50\n",
        [("2024-01-05", -450, ""), ("2024-01-16", 10000, "")],
        None,
        0,
    ),
    "rbc canada": (
        (
            '"Account Type","Account Number","Transaction Date","Cheque Number","Description 1","Description 2","CAD$","USD$"\n'
            'Chequing,01234-5678,1/5/2024,,"TIM HORTONS","",-4.50,,\n'
            'Chequing,01234-5678,1/16/2024,,"PAY","",100.00,,\n'
        ),
        [("2024-01-05", -450, "CAD"), ("2024-01-16", 10000, "CAD")],
        None,
        0,
    ),
    "hdfc": (
        (
            "Date,Narration,Value Dat,Debit Amount,Credit Amount,Chq/Ref Number,Closing Balance\n"
            '05/01/24,UPI-SWIGGY,05/01/24,"1,23,412.34",0.00,0000001,"87.66"\n'
            '06/01/24,SALARY,06/01/24,0.00,100.00,0000002,"187.66"\n'
        ),
        [("2024-01-05", -12341234, ""), ("2024-01-06", 10000, "")],
        18766,
        0,
    ),
    "boursorama": (
        (
            "dateOp;dateVal;label;category;categoryParent;supplierFound;amount;comment;accountNum;accountLabel;accountbalance\n"
            '2024-01-05;2024-01-05;"CARTE CARREFOUR";"Alimentation";"Vie";"carrefour";-12,34;;00012345;"BOURSORAMA";187.66\n'
            '2024-01-06;2024-01-06;"VIR SALAIRE";"Virements";"Rev";"acme";"1 100,00";;00012345;"BOURSORAMA";187.66\n'
        ),
        [("2024-01-05", -1234, ""), ("2024-01-06", 110000, "")],
        None,
        0,
    ),
    "credit agricole": (
        (
            "Téléchargement du 06/01/2024;\n"
            "\n"
            "Monsieur X\n"
            "Compte de Dépôt carte n° 123;\n"
            "Solde au 06/01/2024 187,66 €\n"
            "\n"
            "Liste des opérations du compte entre le 01/01/2024 et le 06/01/2024;\n"
            "\n"
            "Date;Libellé;Débit euros;Crédit euros;\n"
            '05/01/2024;"PAIEMENT PAR CARTE CARREFOUR";12,34;;\n'
            '16/01/2024;"VIREMENT ACME";;100,00;\n'
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-16", 10000, "EUR")],
        None,
        0,
    ),
    "postfinance": (
        (
            'Date from:;="2024-01-01"\n'
            'Entry type:;="All"\n'
            'Account:;="CH0209000000100013997"\n'
            'Currency:;="CHF"\n'
            "\n"
            "Date;Type of transaction;Notification text;Credit in CHF;Debit in CHF;Tag;Category\n"
            '05.01.2024;Booking;"COOP";;-12.34;;\n'
            '06.01.2024;Booking;"ACME";100;;;\n'
            "\n"
            "Disclaimer:\n"
            "The document...\n"
        ),
        [("2024-01-05", -1234, "CHF"), ("2024-01-06", 10000, "CHF")],
        None,
        2,
    ),
    "ubs": (
        (
            "Kontonummer:;0123 00456789.01;\n"
            "IBAN:;CH02 0023 0123 0045 6789 0;\n"
            "Von:;2024-01-01;\n"
            "Bis:;2024-01-31;\n"
            "Anfangssaldo:;100.00;\n"
            "Schlusssaldo:;187.66;\n"
            "Bewertet in:;CHF;\n"
            "Anzahl Transaktionen in diesem Zeitraum:;2;\n"
            "\n"
            "Abschlussdatum;Abschlusszeit;Buchungsdatum;Valutadatum;Währung;Belastung;Gutschrift;Einzelbetrag;Saldo;Transaktions-Nr.;Beschreibung1;Beschreibung2;Beschreibung3;Fussnoten;\n"
            '2024-01-06;;2024-01-06;2024-01-06;CHF;;100.00;;187.66;TRX1234567;"ACME";"Gutschrift";;;\n'
            '2024-01-05;;2024-01-05;2024-01-05;CHF;-12.34;;;87.66;TRX1234568;"COOP";"Karte";;;\n'
        ),
        [("2024-01-06", 10000, "CHF"), ("2024-01-05", -1234, "CHF")],
        18766,
        0,
    ),
    "handelsbanken": (
        (
            "Reskontradatum\tTransaktionsdatum\tText\tBelopp\tSaldo\n"
            "2024-01-06\t2024-01-06\tACME\t100,00\t187,66\n"
            "2024-01-05\t2024-01-05\tICA\t-12,34\t87,66\n"
        ),
        [("2024-01-06", 10000, ""), ("2024-01-05", -1234, "")],
        18766,
        0,
    ),
    "nordea": (
        (
            "Bokföringsdag;Belopp;Avsändare;Mottagare;Namn;Rubrik;Saldo;Valuta\n"
            "2024/01/06;100,00;;;ACME;ACME;187,66;SEK\n"
            "2024/01/05;-12,34;;;;ICA;87,66;SEK\n"
        ),
        [("2024-01-06", 10000, "SEK"), ("2024-01-05", -1234, "SEK")],
        18766,
        0,
    ),
    "dnb": (
        (
            '"Dato";"Forklaring";"Rentedato";"Ut fra konto";"Inn på konto"\n'
            '"05.01.2024";"REMA 1000";"05.01.2024";"12,34";""\n'
            '"16.01.2024";"ACME";"16.01.2024";"";"100,00"\n'
        ),
        [("2024-01-05", -1234, ""), ("2024-01-16", 10000, "")],
        None,
        0,
    ),
    "danske": (
        (
            '"Dato";"Tekst";"Beløb";"Saldo";"Status";"Afstemt"\n'
            '"05.01.2024";"NETTO";"-12,34";"87,66";"Udført";"Nej"\n'
            '"06.01.2024";"ACME";"1.100,00";"1.187,66";"Udført";"Nej"\n'
        ),
        [("2024-01-05", -1234, ""), ("2024-01-06", 110000, "")],
        118766,
        0,
    ),
    "fio": (
        (
            '"ID operace";"Datum";"Objem";"Měna";"Protiúčet";"Název protiúčtu";"Kód banky";"Poznámka";"Zpráva pro příjemce"\n'
            '"26000000001";"05.01.2024";"-12,34";"CZK";"";"";"";"ALBERT";""\n'
            '"26000000002";"06.01.2024";"100,00";"CZK";"1";"ACME";"0100";"";"mzda"\n'
        ),
        [("2024-01-05", -1234, "CZK"), ("2024-01-06", 10000, "CZK")],
        None,
        0,
    ),
    "bbva": (
        (
            "F.Valor;Fecha;Concepto;Movimiento;Importe;Divisa;Disponible;Divisa;Observaciones\n"
            "05/01/2024;05/01/2024;Mercadona;Pago;-12,34;EUR;87,66;EUR;\n"
            "16/01/2024;16/01/2024;Nomina;Abono;100,00;EUR;187,66;EUR;\n"
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-16", 10000, "EUR")],
        None,
        0,
    ),
    "caixa": (
        (
            "Concepto;Fecha;Importe;Saldo\n"
            "MERCADONA;05/01/2024;-12,34EUR;87,66EUR\n"
            "NOMINA;16/01/2024;100,00EUR;187,66EUR\n"
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-16", 10000, "EUR")],
        18766,
        0,
    ),
    "intesa": (
        (
            "Data,Operazione,Dettagli,Conto o carta,Contabilizzazione,Categoria,Valuta,Importo\n"
            '05/01/2024,CONAD,Pagamento,Conto 1,CONTABILIZZATO,Alimentari,EUR,"-12,34"\n'
            '16/01/2024,ACME,Bonifico,Conto 1,CONTABILIZZATO,Stipendio,EUR,"1.100,00"\n'
        ),
        [("2024-01-05", -1234, "EUR"), ("2024-01-16", 110000, "EUR")],
        None,
        0,
    ),
    "nubank": (
        (
            "Data,Valor,Identificador,Descrição\n"
            "05/01/2024,-12.34,65a1b2c3-0000,Compra no débito - PADARIA\n"
            "16/01/2024,100.00,65a1b2c3-0001,Transferência recebida\n"
        ),
        [("2024-01-05", -1234, ""), ("2024-01-16", 10000, "")],
        None,
        0,
    ),
    "sberbank": (
        "Дата;Описание;Сумма;Валюта\n05.01.2024;Магазин;-12,34;RUB\n16.01.2024;Зарплата;1 100,00;RUB\n",
        [("2024-01-05", -1234, "RUB"), ("2024-01-16", 110000, "RUB")],
        None,
        0,
    ),
    "venmo": (
        (
            "Account Statement - (@me) ,,,,,,,,,,,,,,,,,\n"
            "Account Activity,,,,,,,,,,,,,,,,,\n"
            ",ID,Datetime,Type,Status,Note,From,To,Amount (total),Amount (tip),Amount (tax),Amount (fee),Tax Rate,Tax Exempt,Funding Source,Destination,Beginning Balance,Ending Balance\n"
            ",,,,,,,,,,,,,,,,$100.00,\n"
            ",3000000000001,2024-01-05T10:00:00,Payment,Complete,Pizza,Me,Bob,- $12.34,,0,,0,,Venmo balance,,,\n"
            ',3000000000002,2024-01-06T10:00:00,Payment,Complete,Rent,Ann,Me,"+ $1,100.00",,0,,0,,,Venmo balance,,\n'
            ',,,,,,,,,,,,,,,,,"$1,187.66"\n'
        ),
        [("2024-01-05", -1234, "USD"), ("2024-01-06", 110000, "USD")],
        None,
        0,
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_banks_table_is_understood_without_being_told_anything(name):
    text, wanted, balance_minor, rejected = TABLES[name]
    for encoding in ("utf-8", "utf-16"):
        parsed = read_file(text.encode(encoding))
        assert [(row.posted_on.isoformat(), row.amount_minor, row.currency) for row in rows_of(parsed)] == wanted
        assert parsed.statements[0].balance_minor == balance_minor
        assert len(parsed.rejected) == rejected
        assert all(row.description for row in rows_of(parsed))
