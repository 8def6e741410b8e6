"""Checks recorded requests to Azure's Resource Manager against the management SDK's models of the same api-version: every field
is one that the model has, is of its type, and whatever the model wants is there. Prints which were checked, as JSON."""

import importlib
import json
import re
import sys

COMPUTE = "azure.mgmt.compute"
GROUPS = "azure.mgmt.resource.resources"
# What a path ends in, after the names in it are taken out, and the model that describes what is sent there.
MODELS = {
    "PUT /resourcegroups/*": (GROUPS, "ResourceGroup"),
    "PUT /disks/*": (COMPUTE, "Disk"),
    "POST /disks/*/begingetaccess": (COMPUTE, "GrantAccessData"),
    "PUT /images/*": (COMPUTE, "Image"),
    "PUT /galleries/*": (COMPUTE, "Gallery"),
    "PUT /galleries/*/images/*": (COMPUTE, "GalleryImage"),
    "PUT /galleries/*/images/*/versions/*": (COMPUTE, "GalleryImageVersion"),
    "POST /galleries/*/share": (COMPUTE, "SharingUpdate"),
}
PLAIN = {"str": str, "int": int, "long": int, "bool": bool, "float": float, "object": object}
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def check(models, kind, value, where):
    """That a value is of a type, as the SDK writes types."""
    if kind.startswith("["):
        assert isinstance(value, list), f"{where} is no list: {value!r}"
        for index, element in enumerate(value):
            check(models, kind[1:-1], element, f"{where}[{index}]")
    elif kind.startswith("{"):
        assert isinstance(value, dict), f"{where} is no object: {value!r}"
        for key, element in value.items():
            check(models, kind[1:-1], element, f"{where}.{key}")
    elif kind == "iso-8601":
        assert isinstance(value, str) and DATE.fullmatch(value), f"{where} is no date: {value!r}"
    elif kind in PLAIN:
        # To Python a truth value is a number.
        is_right = isinstance(value, PLAIN[kind]) and (kind in ("bool", "object") or not isinstance(value, bool))
        assert is_right, f"{where} is no {kind}: {value!r}"
    else:
        check_model(models, getattr(models, kind), value, where)


def check_model(models, model, value, where):
    assert isinstance(value, dict), f"{where} is no object: {value!r}"
    known = {}
    for name, field in model._attribute_map.items():
        # A dot leads into an object that the SDK hides; one with a backslash belongs to the name.
        path = tuple(part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", field["key"]))
        known[path] = (field["type"], model._validation.get(name, {}))

    def walk(value, at):
        for key, element in value.items():
            path = (*at, key)
            if path in known:
                check(models, known[path][0], element, f"{where}.{'.'.join(path)}")
            else:
                hidden = any(other[: len(path)] == path for other in known)
                assert hidden and isinstance(element, dict), f"{where} has no field {'.'.join(path)}"
                walk(element, path)

    walk(value, ())
    for path, (_, rules) in known.items():
        if rules.get("required"):
            found = value
            for key in path:
                found = found.get(key) if isinstance(found, dict) else None
            assert found is not None, f"{where}.{'.'.join(path)} is missing"


def kind_of(method, path):
    """The path from the resource's type on, its names taken out."""
    path = path.lower().split("/providers/microsoft.compute")[-1]
    path = re.sub(r"^/subscriptions/[^/]+", "", path)
    parts = path.split("/")
    # /type/name/type/name: every second part is a name.
    return f"{method} " + "/".join("*" if index and index % 2 == 0 else part for index, part in enumerate(parts))


checked = []
for request in json.load(open(sys.argv[1])):
    kind = kind_of(request["method"], request["path"])
    package, model = MODELS[kind]
    version = "v" + request["api_version"].replace("-", "_")
    try:
        models = importlib.import_module(f"{package}.{version}.models")
    except ModuleNotFoundError:
        # A release of the SDK does not have all versions; the test looks that one of them had.
        continue
    check_model(models, getattr(models, model), request["body"], kind)
    checked.append(f"{kind} {request['api_version']}")
print(json.dumps(sorted(set(checked))))
