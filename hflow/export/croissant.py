"""Metadata of a dataset in Croissant 1.1, with its responsible-AI fields and PROV-O, as mlcroissant loads it.

Source: the Croissant Format Specification 1.1 and the Croissant RAI Specification 1.0, MLCommons. What is known only
once a dataset is published, `url`, `creator` and `datePublished`, whoever publishes it adds.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from hflow.datasets.manifest import MANIFEST, PSEUDO_LABELLED
from hflow.export.description import Description

__all__ = ["SHARDS", "croissant", "exact_patterns", "patterns_without", "set_suffixes"]

SHARDS = "shards"
"""The name of the set of Parquet files whose columns are told of."""

CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""That of the specification's appendix, with the prefixes of RAI and PROV-O."""

FRAMES = {
    "key": ("sc:Text", "The frame's name."),
    "split": ("sc:Text", "train or val."),
    "status": ("sc:Text", "translated, pseudo-labelled or rejected."),
    "reason": ("sc:Text", "Why it was rejected."),
    "source_path": ("sc:Text", "Its file in the dataset that it comes from."),
    "source_sha256": ("sc:Text", "The hash of that file."),
    "style": ("sc:Text", "The photograph whose style it has."),
    "ssim": ("sc:Float", "Structural similarity to the frame as it was given."),
    "consistency": ("sc:Float", "How much a segmenter sees in it of what it saw before translation."),
}
"""Columns of the manifest that are told of: their type, and what they are."""

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".parquet": "application/x-parquet",
    ".tar": "application/x-tar",
    ".json": "application/json",
    ".csv": "text/csv",
    ".txt": "text/plain",
}


def croissant(
    of: Description,
    single: Mapping[str, str],
    *,
    sets: Mapping[str, Sequence[str]],
    suffixes: Mapping[str, str],
    mark: str,
    columns: Mapping[str, str] | None = None,
    archives: Collection[str] = (),
) -> bytes:
    """The metadata as JSON-LD.

    Args:
        of: the dataset.
        single: the files that are told of one by one: the hash of each by name.
        sets: what its many files are: a name, and patterns of their names, in which a star stands for folders too.
        suffixes: of the files of each set that has any, see `set_suffixes`.
        mark: the fingerprint by which this version of it is known.
        columns: of the set `shards`, Parquet files: what each column with an image is.
        archives: the names of those that hold the sets' files; none where they are files themselves.
    """
    within = {"containedIn": [{"@id": name} for name in sorted(archives)]} if archives else {}
    sets = {name: patterns for name, patterns in sets.items() if name in suffixes}
    pictures = [name for name in sets if _type(suffixes[name]).startswith("image/")]
    metadata = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": of.kind.title,
        "description": of.kind.what,
        "version": f"1.0.0+{mark[:16]}",
        "keywords": list(of.kind.tags),
        "license": [
            {"@type": "sc:CreativeWork", "name": name, "description": text} for name, text in of.origins.items()
        ],
        "isLiveDataset": False,
        **_responsible(of),
        **_provenance(of),
        "distribution": [
            *({"@type": "cr:FileObject", "@id": name, **_file(name, single[name])} for name in sorted(single)),
            *(
                {
                    "@type": "cr:FileSet",
                    "@id": name,
                    **within,
                    "encodingFormat": _type(suffixes[name]),
                    "includes": list(several),
                }
                for name, several in sets.items()
            ),
        ],
        "recordSet": [
            _frames(),
            *_classes(of),
            *map(_pictures, pictures),
            *([_samples(columns)] if columns else []),
        ],
    }
    return (json.dumps(metadata, indent=2, ensure_ascii=False) + "\n").encode()


def exact_patterns(names: Iterable[str]) -> list[str]:
    """Patterns of names with one dot, which match no name of a like one that has more, as a.label.png beside a.png.

    A star stands for dots too, and mlcroissant knows no pattern of what is left out: so one is as long as its names.
    """
    ends = {(len(stem), dot + suffix) for stem, dot, suffix in (name.partition(".") for name in names)}
    return ["[!.]" * length + suffix for length, suffix in sorted(ends)]


def patterns_without(ending: str, folder: str) -> list[str]:
    """Patterns of a folder's names that have the suffix of `ending` and do not end in it: one for each of its letters.

    For the same reason as `exact_patterns`. No name may consist of the last letters of `ending` alone.

    >>> patterns_without("_id.png", "labels")
    ['labels/*[!d].png', 'labels/*[!i]d.png', 'labels/*[!_]id.png']
    """
    letters, dot, suffix = ending.partition(".")
    return [
        f"{folder}/*[!{letter}]{letters[place + 1 :]}{dot}{suffix}"
        for place, letter in reversed(list(enumerate(letters)))
    ]


def set_suffixes(names: Iterable[str], sets: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The suffix of the first file of each set, by the set's name; a set of which no file has a suffix is left out."""
    found: dict[str, str] = {}
    for name in names:
        missing = sets.keys() - found.keys()
        if not missing:
            break
        found |= {s: PurePosixPath(name).suffix for s in missing if any(fnmatchcase(name, p) for p in sets[s])}
    return {name: suffix for name, suffix in found.items() if suffix}


def _type(suffix: str) -> str:
    return TYPES.get(suffix, "application/octet-stream")


def _file(name: str, digest: str) -> dict[str, str]:
    return {"name": name, "contentUrl": name, "encodingFormat": _type(PurePosixPath(name).suffix), "sha256": digest}


def _responsible(of: Description) -> dict[str, Any]:
    rejected = sum(of.missing.values())
    missing = "; ".join(f"{number}: {reason}" for reason, number in of.missing.most_common(20))
    rare = [f"{name}: {share:.4f} of the labelled pixels" for name, share in of.shares.items()]
    guessed = of.first["status"] == PSEUDO_LABELLED
    return {
        "rai:dataCollection": f"{of.kind.what} Made from: {', '.join(of.origins) or 'not stated'}.",
        "rai:dataCollectionType": ["Software Collection"],
        "rai:dataCollectionMissingData": f"{rejected} of {len(of.rows)} were rejected. {missing}".strip(),
        "rai:dataCollectionRawData": "The hash of each raw file is in the record set frames.",
        "rai:dataAnnotationProtocol": [of.kind.labelling],
        "rai:machineAnnotationTools": [f"{of.first['model']}, weights {of.first['model_sha256']}"] if guessed else [],
        "rai:dataUseCases": list(of.kind.uses),
        "rai:dataLimitations": of.limits,
        "rai:dataBiases": [
            "It shows the places, weather and traffic that its sources show, and nothing else.",
            *rare,
        ],
        "rai:personalSensitiveInformation": [of.kind.persons],
    }


def _provenance(of: Description) -> dict[str, Any]:
    first = of.first
    model = {
        "@type": "prov:Entity",
        "@id": f"urn:sha256:{first['model_sha256']}",
        "prov:label": f"model {first['model']}",
    }
    origins = [{"@type": "prov:Entity", "prov:label": name} for name in of.origins]
    return {
        "prov:wasDerivedFrom": origins,
        "prov:wasAttributedTo": {"@type": "prov:SoftwareAgent", "prov:label": "hflow"},
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": "labelling of photographs" if first["status"] == PSEUDO_LABELLED else "translation",
            "prov:used": [
                model,
                {"@type": "prov:Entity", "prov:label": f"parameters {first['params_fingerprint']}"},
                {"@type": "prov:Entity", "prov:label": f"code {first['code_fingerprint']}"},
            ],
        },
    }


def _frames() -> dict[str, Any]:
    """A record a row of the manifest."""
    return {
        "@type": "cr:RecordSet",
        "@id": "frames",
        "name": "frames",
        "description": "A record for every frame given, and what became of it.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"frames/{column}",
                "name": column,
                "description": text,
                "dataType": kind,
                "source": {"fileObject": {"@id": MANIFEST}, "extract": {"column": column}},
            }
            for column, (kind, text) in FRAMES.items()
        ],
    }


def _classes(of: Description) -> list[dict[str, Any]]:
    if not of.classes:
        return []
    fields = {"train_id": "sc:Integer", "name": "sc:Text"}
    return [
        {
            "@type": "cr:RecordSet",
            "@id": "classes",
            "name": "classes",
            "description": "The name of each train id.",
            "dataType": "sc:Enumeration",
            "key": {"@id": "classes/train_id"},
            "field": [
                {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind}
                for name, kind in fields.items()
            ],
            "data": [{"classes/train_id": number, "classes/name": name} for number, name in enumerate(of.classes)],
        }
    ]


def _pictures(name: str) -> dict[str, Any]:
    """A record a file of a set: where it lies, and its picture."""
    kinds = {"path": ("sc:Text", "fullpath"), "picture": (_picture_type(name), "content")}
    return {
        "@type": "cr:RecordSet",
        "@id": f"{name}-records",
        "name": name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}-records/{field}",
                "name": field,
                "dataType": kind,
                "source": {"fileSet": {"@id": name}, "extract": {"fileProperty": file_property}},
            }
            for field, (kind, file_property) in kinds.items()
        ],
    }


def _samples(columns: Mapping[str, str]) -> dict[str, Any]:
    """A record a row of the shards."""
    key = {
        "@type": "cr:Field",
        "@id": "samples/key",
        "name": "key",
        "dataType": "sc:Text",
        "source": {"fileSet": {"@id": SHARDS}, "extract": {"column": "key"}},
    }
    images = [
        {
            "@type": "cr:Field",
            "@id": f"samples/{column}",
            "name": column,
            "description": text,
            "dataType": _picture_type(column),
            "source": {
                "fileSet": {"@id": SHARDS},
                "extract": {"column": column},
                "transform": {"jsonPath": "bytes"},
            },
        }
        for column, text in columns.items()
    ]
    return {"@type": "cr:RecordSet", "@id": "samples", "name": "samples", "field": [key, *images]}


def _picture_type(name: str) -> str | list[str]:
    return ["sc:ImageObject", "cr:SegmentationMask"] if "label" in name else "sc:ImageObject"
