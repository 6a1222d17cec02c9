#!/usr/bin/env python3
"""Writes CUnicode.c and include/CUnicode.h from the files of the Unicode Character Database.

usage: generate.py [UCD_FOLDER]        (default /usr/share/unicode, Debian package unicode-data)

The version is the one whose normalisation equals Foundation's: 15.0. A test compares every scalar.
Standard library only; the output depends on nothing but the input.
"""
import os
import re
import sys

UCD = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode"
HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 0x110000

# Kept in step with the masks in CUnicode.h.
ASCII_LETTER, OTHER_LETTER, DIGIT = 1, 2, 3
LOWER, UPPER, WHITE, UNSPACED, BOUNDARY, REMOVED, CASED, AFRESH = (1 << b for b in range(2, 10))
UNSPACED_SCRIPTS = {"Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"}
REMOVED_SCALARS = {0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF}


def lines(name):
    with open(os.path.join(UCD, name), encoding="utf-8") as file:
        for line in file:
            fields = [field.strip() for field in line.split("#")[0].split(";")]
            if fields[0]:
                yield fields


def span(text):
    ends = text.split("..")
    return range(int(ends[0], 16), int(ends[-1], 16) + 1)


def members(name, keep):
    found = set()
    for fields in lines(name):
        if keep(fields[1:]):
            found.update(span(fields[0]))
    return found


def version():
    with open(os.path.join(UCD, "CaseFolding.txt"), encoding="utf-8") as file:
        return re.match(r"# CaseFolding-([0-9.]+)\.txt", file.readline()).group(1)


def unicode_data():
    category, combining, mapping, canonical = {}, {}, {}, {}
    first = None
    for fields in lines("UnicodeData.txt"):
        scalar = int(fields[0], 16)
        if fields[1].endswith(", First>"):
            first = scalar
            continue
        start = first if fields[1].endswith(", Last>") else scalar
        for each in range(start, scalar + 1):
            category[each] = fields[2]
        if fields[3] != "0":
            combining[scalar] = int(fields[3])
        if fields[5]:
            parts = fields[5].split()
            target = [int(part, 16) for part in parts if not part.startswith("<")]
            mapping[scalar] = target
            if not parts[0].startswith("<"):
                canonical[scalar] = target
    return category, combining, mapping, canonical


def full(scalar, mapping):
    if scalar not in mapping:
        return (scalar,)
    return tuple(part for each in mapping[scalar] for part in full(each, mapping))


def two_stage(values, block):
    """Splits a list of LIMIT values into shared blocks: (block of each scalar >> shift, blocks)."""
    index, blocks, known = [], [], {}
    for start in range(0, LIMIT, block):
        key = tuple(values[start:start + block])
        if key not in known:
            known[key] = len(known)
            blocks.extend(key)
        index.append(known[key])
    return index, blocks


def numbered(values):
    """Distinct values in order of first use, and each value's number."""
    known = {}
    return [known.setdefault(value, len(known)) for value in values], list(known)


def array(kind, name, values, width=110):
    rows, row = [], " "
    for value in values:
        word = f" {value},"
        if len(row) + len(word) > width:
            rows.append(row)
            row = " "
        row += word
    rows.append(row)
    return f"const {kind} {name}[{len(values)}] = {{\n" + "\n".join(rows) + "\n};\n"


def main():
    category, combining, mapping, canonical = unicode_data()
    derived = "DerivedCoreProperties.txt"
    lower = members(derived, lambda f: f[0] == "Lowercase")
    upper = members(derived, lambda f: f[0] == "Uppercase")
    white = members("PropList.txt", lambda f: f[0] == "White_Space")
    unspaced = members("Scripts.txt", lambda f: f[0] in UNSPACED_SCRIPTS)
    normal = "DerivedNormalizationProps.txt"
    unquick = members(normal, lambda f: f[0] == "NFKC_QC")
    excluded = members(normal, lambda f: f[0] == "Full_Composition_Exclusion")
    folding = {int(f[0], 16): int(f[2], 16) for f in lines("CaseFolding.txt") if f[1] in "CS"}

    def boundary(scalar):
        return scalar not in unquick and scalar not in combining

    properties = []
    for scalar in range(LIMIT):
        kind = category.get(scalar, "Cn")
        bits = 0
        if kind.startswith("L"):
            bits = ASCII_LETTER if scalar < 128 else OTHER_LETTER
            bits |= LOWER * (scalar in lower) | UPPER * (scalar in upper)
        elif kind == "Nd":
            bits = DIGIT
        bits |= WHITE * (scalar in white) | UNSPACED * (scalar in unspaced)
        bits |= REMOVED * (scalar in REMOVED_SCALARS) | CASED * (scalar in folding)
        bits |= BOUNDARY * boundary(scalar)
        bits |= AFRESH * (boundary(scalar) or boundary(full(scalar, mapping)[0]))
        properties.append(bits | combining.get(scalar, 0) << 16)
    property_numbers, property_records = numbered(properties)
    assert len(property_records) <= 256
    property_index, property_blocks = two_stage(property_numbers, 128)

    pool, places, starts = [0], {}, [0] * LIMIT
    for scalar in sorted(mapping):
        target = full(scalar, mapping)
        if target not in places:
            places[target] = len(pool)
            pool.append(len(target))
            pool.extend(target)
        starts[scalar] = places[target]
    assert len(pool) < 65536
    mapping_index, mapping_blocks = two_stage(starts, 64)

    deltas = [folding.get(scalar, scalar) - scalar for scalar in range(LIMIT)]
    delta_numbers, delta_records = numbered(deltas)
    assert len(delta_records) <= 256
    delta_index, delta_blocks = two_stage(delta_numbers, 128)

    pairs = sorted((target[0], target[1], scalar) for scalar, target in canonical.items()
                   if scalar not in excluded)
    header = (f"// Made by generate.py from the Unicode Character Database {version()}. Do not edit.\n"
              '#include "CUnicode.h"\n\n')
    with open(os.path.join(HERE, "CUnicode.c"), "w", encoding="utf-8") as out:
        out.write(header)
        out.write(f'const char CUnicodeVersion[] = "{version()}";\n')
        out.write(f"const int32_t CUnicodePairCount = {len(pairs)};\n\n")
        out.write("\n".join([
            array("uint8_t", "CUnicodePropertyIndex", property_index),
            array("uint8_t", "CUnicodePropertyBlocks", property_blocks),
            array("uint32_t", "CUnicodePropertyRecords", property_records),
            array("uint16_t", "CUnicodeMappingIndex", mapping_index),
            array("uint16_t", "CUnicodeMappingBlocks", mapping_blocks),
            array("uint32_t", "CUnicodeMappingPool", pool),
            array("uint8_t", "CUnicodeDeltaIndex", delta_index),
            array("uint8_t", "CUnicodeDeltaBlocks", delta_blocks),
            array("int32_t", "CUnicodeDeltaRecords", delta_records),
            array("uint32_t", "CUnicodePairFirst", [pair[0] for pair in pairs]),
            array("uint32_t", "CUnicodePairSecond", [pair[1] for pair in pairs]),
            array("uint32_t", "CUnicodePairResult", [pair[2] for pair in pairs]),
        ]))
    sizes = dict(properties=len(property_index) + len(property_blocks) + 4 * len(property_records),
                 mapping=2 * (len(mapping_index) + len(mapping_blocks)) + 4 * len(pool),
                 folding=len(delta_index) + len(delta_blocks) + 4 * len(delta_records),
                 pairs=12 * len(pairs))
    assert max(property_index) < 256 and max(delta_index) < 256
    print(version(), sizes, "bytes;", len(property_records), "records,", len(pairs), "pairs")


main()
