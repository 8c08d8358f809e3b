"""The links of every page lead somewhere. Needs no daemon."""

import pathlib
import re
import unittest
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def pages():
    """Every page of the repository, without what was built."""
    skipped = {"build", ".git"}
    return [page for page in sorted(ROOT.rglob("*.md"))
            if not skipped.intersection(page.relative_to(ROOT).parts)]


def anchors(page):
    """The anchors that a page's headings make, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", _FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
            for heading in headings}


def links(page):
    """The targets of a page's links and pictures that are in the repository."""
    text = _FENCE.sub("", page.read_text())
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'\bsrc="([^"]+)"', text)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


class LinksTest(unittest.TestCase):
    def test_every_link_leads_to_a_file_and_a_heading_that_exist(self):
        broken = []
        for page in pages():
            for target in links(page):
                path, _, anchor = target.partition("#")
                file = (page.parent / path).resolve() if path else page
                if not file.exists():
                    broken.append(f"{page.relative_to(ROOT)}: no file {target}")
                elif anchor and anchor not in anchors(file):
                    broken.append(f"{page.relative_to(ROOT)}: no heading {target}")
        self.assertEqual(broken, [])

    def test_every_picture_has_a_description_and_colours_for_a_dark_page(self):
        pictures = sorted((ROOT / "docs/pictures").iterdir())
        self.assertTrue(pictures)
        for picture in pictures:
            with self.subTest(picture.name):
                svg = ElementTree.parse(picture).getroot()
                tags = {element.tag.partition("}")[2] for element in svg.iter()}
                self.assertLessEqual({"title", "desc"}, tags)
                self.assertIn("prefers-color-scheme: dark", picture.read_text())

    def test_every_page_of_docs_that_the_tree_names_exists(self):
        missing = []
        for file in sorted(ROOT.rglob("*")):
            parts = file.relative_to(ROOT).parts
            if "build" in parts or ".git" in parts or not file.is_file():
                continue
            text = file.read_text(errors="ignore")
            for name in re.findall(r"(?<![\w/.-])docs/[\w/-]+\.(?:md|py|svg)\b", text):
                if not (ROOT / name).exists():
                    missing.append(f"{file.relative_to(ROOT)}: {name}")
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
