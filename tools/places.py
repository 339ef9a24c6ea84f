"""From a location set of the package to a set of countries (`mintql.domain.countries`).

Codes of regions (`us-ca.geojson`, `gb-sct`) stand for their country. A circle stands for the country of the smallest
region around its centre; the package draws no other shapes, so where there is none the country is unknown, and the
seller is in no country's scope: it is then found by whole keys and by several words only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mintql.domain.countries import EVERYWHERE, NOWHERE, country_set

_EUROPEAN_UNION = "at be bg cy cz de dk ee es fi fr gr hr hu ie it lt lu lv mt nl pl pt ro se si sk"
_CARIBBEAN = "ag ai aw bb bl bq bs cu cw dm do gd gp ht jm kn ky lc mf mq ms pr sx tc tt vc vg vi"
_SOUTH_AMERICA = "ar bo br cl co ec fk gf gy pe py sr uy ve"
_CENTRAL_AMERICA = "bz cr gt hn mx ni pa sv"
_NORTH_AFRICA = "dz eg eh ly ma sd tn"
_SOUTHERN_AFRICA = """
    ao bf bi bj bw cd cf cg ci cm cv dj er et ga gh gm gn gq gw ke km lr ls mg ml mr mu mw mz na ne ng re rw sc sh sl sn
    so ss st sz td tg tz ug yt za zm zw
"""
_WESTERN_ASIA = "ae am az bh cy ge il iq jo kw lb om ps qa sa sy tr ye"
_OTHER_ASIA = """
    af bd bn bt cn hk id in ir jp kg kh kp kr kz la lk mm mn mo mv my np ph pk sg th tj tl tm tw uz vn
"""
_REGIONS = {
    "001": None,
    "002": f"{_NORTH_AFRICA} {_SOUTHERN_AFRICA}",
    "003": f"ca us gl bm pm {_CENTRAL_AMERICA} {_CARIBBEAN}",
    "005": _SOUTH_AMERICA,
    "029": _CARIBBEAN,
    "142": f"{_WESTERN_ASIA} {_OTHER_ASIA}",
    "145": _WESTERN_ASIA,
    "150": f"{_EUROPEAN_UNION} ad al ax ba by ch fo gb gg gi im is je li mc md me mk no rs ru sj sm ua va xk",
    "202": _SOUTHERN_AFRICA,
    "419": f"{_SOUTH_AMERICA} {_CENTRAL_AMERICA} {_CARIBBEAN}",
    "830": "gg je",
    "eu": _EUROPEAN_UNION,
    # Parts of countries, and other names of countries.
    "conus": "us",
    "crimea": "ua",
    "ea": "es",
    "eth": "et",
    "fx": "fr",
    "ic": "es",
    "khm": "kh",
    "mainland china": "cn",
    "northern cyprus": "cy",
    "q19188": "cn",
    "q23681": "cy",
    "q3336843": "gb",
    "q35": "dk",
    "q35657": "us",
    "q644636": "cy",
    "sba": "cy gb",
    "uk": "gb",
    # Shapes of single sellers.
    "aldi-sued.geojson": "de",
    "konsum-dresden.geojson": "de",
    "konsum-leipzig.geojson": "de",
    "london-cycles.geojson": "gb",
    "miltonkeynes-cycles.geojson": "gb",
}
"""UN M49 areas, and what else is no country code followed by a region."""

_COUNTRY = re.compile(r"([a-z]{2})(?:-.+)?")
_SELLER_SHAPE = re.compile(r"stadtmobil-.+\.geojson")


class Places:
    """Resolves location sets with the shapes of one package."""

    def __init__(self, regions: Mapping[str, dict[str, Any]]) -> None:
        boxes = ((_box(shape), self._code(name)) for name, shape in regions.items())
        self._boxes = sorted((_area(box), box, code) for box, code in boxes)

    def countries(self, location_set: Mapping[str, list[Any]]) -> int:
        """Return the countries where a seller is.

        Raises:
            ValueError: A code is unknown; it belongs into this file.
        """
        where = NOWHERE
        for place in location_set.get("include", ["001"]):
            where |= self._code(place) if isinstance(place, str) else self._around(place)
        for place in location_set.get("exclude", []):
            # Leaving out a region or a circle does not leave out its country.
            if isinstance(place, str) and (len(place) == len("us") or place in _REGIONS):
                where &= ~self._code(place)
        return where

    def _code(self, place: str) -> int:
        if place in _REGIONS:
            codes = _REGIONS[place]
            return EVERYWHERE if codes is None else country_set(codes.split())
        if _SELLER_SHAPE.fullmatch(place):
            return country_set(["de"])
        found = _COUNTRY.fullmatch(place)
        if found is None:
            raise ValueError(f"Place {place!r} is no country, no region of one, and not in the table of areas.")
        return self._code(found[1]) if found[1] in _REGIONS else country_set([found[1]])

    def _around(self, centre: list[float]) -> int:
        longitude, latitude = centre[:2]
        for _, (west, south, east, north), code in self._boxes:
            if west <= longitude <= east and south <= latitude <= north:
                return code
        return NOWHERE


def _box(shape: Mapping[str, Any]) -> tuple[float, float, float, float]:
    points = list(_points(shape["coordinates"]))
    longitudes, latitudes = zip(*points, strict=True)
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _area(box: tuple[float, float, float, float]) -> float:
    west, south, east, north = box
    return (east - west) * (north - south)


def _points(coordinates: list[Any]) -> Iterator[tuple[float, float]]:
    if isinstance(coordinates[0], int | float):
        yield coordinates[0], coordinates[1]
        return
    for part in coordinates:
        yield from _points(part)
