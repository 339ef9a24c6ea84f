"""What holds for every file: nothing of one machine or of the making, small files, rooms that explain themselves."""

from __future__ import annotations

import ast
import re

from support.repository import ROOT, text_files

FILE_LINES_MAX = 400
PACKAGE_DOCSTRING_LENGTH_MIN = 40

FORBIDDEN = {
    "a folder of one machine": re.compile(r"(?<![\w.*~])/(work|root|Users|home/\w+)/\w"),
    "a package registry": re.compile(r"pypi\.org|pythonhosted|artifactory|jfrog|sonatype"),
    "the making of the project": re.compile(r"\b[Ii]ssue #?\d|\b[Pp]art \d\b|\bTODO\b|\bFIXME\b|\bXXX\b"),
    "a conflict left behind": re.compile(r"^(<<<<<<<|>>>>>>>) ", re.MULTILINE),
}


def test_no_file_names_a_machine_a_registry_or_the_making():
    found = [
        f"{path}: {match.group()!r} is {what}"
        for path, text in text_files()
        if path.name != "test_repository.py"
        for what, pattern in FORBIDDEN.items()
        for match in pattern.finditer(text)
    ]
    assert found == []


def test_lock_files_name_no_host_and_pin_every_package_by_hash():
    locks = sorted(ROOT.glob("requirements*.lock"))
    assert len(locks) == 5
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text
        assert "index-url" not in text
        packages = re.findall(r"^[\w.\[\]-]+==", text, re.MULTILINE)
        assert packages
        assert len(re.findall(r"^[\w.\[\]-]+==.*\\\n +--hash=sha256:", text, re.MULTILINE)) == len(packages)


def test_no_source_file_outgrows_a_sitting():
    sources = [(path, text) for path, text in text_files(".py") if path.parts[0] == "src"]
    assert len(sources) > 50
    assert [
        f"{path}: {len(text.splitlines())}" for path, text in sources if len(text.splitlines()) > FILE_LINES_MAX
    ] == []


def test_every_package_says_who_lives_in_it():
    packages = sorted((ROOT / "src").rglob("__init__.py"))
    assert len(packages) >= 9
    silent = [
        str(path.relative_to(ROOT))
        for path in packages
        if len(ast.get_docstring(ast.parse(path.read_text())) or "") < PACKAGE_DOCSTRING_LENGTH_MIN
    ]
    assert silent == []


def anchors(page: str) -> set[str]:
    """The anchors that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_pages_lead_somewhere():
    pages = dict(text_files(".md"))
    links = [
        (path, target or path.name, anchor)
        for path, text in pages.items()
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)#?([^)\s:]*)\)", text)
    ]
    assert len(links) > 30
    lost = []
    for path, target, anchor in links:
        goal = ROOT / path.parent / target
        if not goal.exists() or (anchor and anchor not in anchors(goal.read_text())):
            lost.append(f"{path}: {target}#{anchor}")
    assert lost == []
