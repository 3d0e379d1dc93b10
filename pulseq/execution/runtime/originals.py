"""The standard library as it was before any code under test was imported, for our code in the same process.

Suites patch it for a test, for a module, or for good: clocks stand still (freezegun), files are made up
(pyfakefs), `select` and `socket` switch greenlets (gevent). `bind` gives each module of this package views of the
modules that it uses, in which every function is the one of that time and calls those of that time. The modules'
sources need not know. What has to be the live one is named in `LIVE`.
"""

from __future__ import annotations

import array
import builtins
import contextlib
import ctypes
import errno
import fcntl
import genericpath
import json
import json.decoder
import json.encoder
import json.scanner
import marshal
import math
import os
import posixpath
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import sys
import tempfile
import time
import traceback
import types
from typing import Any, Dict, List, Tuple

#: Modules that are looked at through a view.
VIEWED: Tuple[types.ModuleType, ...] = (
    array,
    contextlib,
    ctypes,
    errno,
    fcntl,
    genericpath,
    json,
    json.decoder,
    json.encoder,
    json.scanner,
    marshal,
    math,
    os,
    posixpath,
    resource,
    select,
    shutil,
    signal,
    socket,
    stat,
    struct,
    tempfile,
    time,
    traceback,
)

#: Modules whose present state is what is wanted, or that hold nothing that could be swapped to any effect on us.
LIVE = frozenset(
    [
        *("__future__", "_collections_abc", "_io", "abc", "argparse", "asyncio", "atexit", "base64", "builtins"),
        *("collections", "collections.abc", "copy", "dataclasses", "dis", "doctest", "enum", "faulthandler", "fnmatch"),
        *("gc", "hashlib", "http", "importlib", "inspect", "io", "ipaddress", "itertools", "numbers", "pathlib"),
        *("platform", "random", "re", "runpy", "ssl", "string", "subprocess", "sys", "threading", "types", "typing"),
        *("unittest", "urllib", "warnings", "weakref", "xml", "pytest"),
    ]
)

#: Classes whose methods our functions get to by way of the functions of their modules.
_CLASSES = {("tempfile", "_RandomNameSequence"), ("json.encoder", "JSONEncoder"), ("json.decoder", "JSONDecoder")}

#: Whose functions a suite may have swapped, so that a fork would not be what a new interpreter is.
_PYTESTS = frozenset({"threading.excepthook"})
_PATCHABLE = ("os", "select", "signal", "socket", "subprocess", "threading", "time")


class ModuleView(types.SimpleNamespace):
    """What a module held; not a module itself, since tools that patch look for modules."""


def _take_views() -> Dict[str, ModuleView]:
    names: Dict[str, Dict[str, Any]] = {module.__name__: dict(vars(module)) for module in VIEWED}
    globals_of = {id(vars(module)): names[module.__name__] for module in VIEWED}
    views = {name: ModuleView() for name in names}
    for name, namespace in names.items():
        for key, value in list(namespace.items()):
            if isinstance(value, types.ModuleType) and value.__name__ in views:
                namespace[key] = views[value.__name__]
            elif isinstance(value, types.FunctionType) and id(value.__globals__) in globals_of:
                namespace[key] = _rebound(value, globals_of[id(value.__globals__)])
            elif (name, key) in _CLASSES:
                namespace[key] = _rebound_class(value, namespace)
            elif (name, key) == ("socket", "socket"):
                namespace[key] = _rebound_subclass(value, namespace)
        namespace.setdefault("open", open)
        vars(views[name]).update(namespace)
    return views


def _rebound(function: types.FunctionType, namespace: Dict[str, Any]) -> types.FunctionType:
    """The same function, which finds what it calls in this namespace."""
    copy = types.FunctionType(
        function.__code__, namespace, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__dict__.update(function.__dict__)
    return copy


def _rebound_class(original: type, namespace: Dict[str, Any]) -> type:
    methods = {
        key: _rebound_member(value, namespace)
        for key, value in vars(original).items()
        if key not in ("__dict__", "__weakref__")
    }
    return type(original.__name__, original.__bases__, methods)


def _rebound_subclass(original: type, namespace: Dict[str, Any]) -> type:
    """The like for a class with slots, of whose methods some ask for `super()` and make nothing themselves."""
    methods = {
        key: _rebound(value, namespace)
        for key, value in vars(original).items()
        if isinstance(value, types.FunctionType) and "__class__" not in value.__code__.co_freevars
    }
    return type(original.__name__, (original,), {"__slots__": (), "__module__": original.__module__, **methods})


def _rebound_member(value: Any, namespace: Dict[str, Any]) -> Any:
    if isinstance(value, types.FunctionType):
        return _rebound(value, namespace)
    if isinstance(value, property) and isinstance(value.fget, types.FunctionType):
        return property(_rebound(value.fget, namespace))
    return value


_VIEWS = _take_views()
_OPEN = builtins.open
_BEFORE = {name: dict(vars(__import__(name))) for name in _PATCHABLE}


def bind(package: str) -> None:
    """Have the modules of a package that are loaded now use the views; again for what is loaded later."""
    for name, module in list(sys.modules.items()):
        if name.startswith(package + ".") and not name.endswith(".originals"):
            _bind_module(vars(module))


def _bind_module(namespace: Dict[str, Any]) -> None:
    for key, value in list(namespace.items()):
        if isinstance(value, types.ModuleType) and value.__name__ in _VIEWS:
            namespace[key] = _VIEWS[value.__name__]
        elif isinstance(value, types.FunctionType) and value.__module__ in _VIEWS:
            namespace[key] = vars(_VIEWS[value.__module__]).get(value.__name__, value)
    namespace.setdefault("open", _OPEN)


def patched() -> List[str]:
    """The functions and classes of the standard library that are others now than before, by their full names."""
    found = []
    for name, before in _BEFORE.items():
        now = vars(sys.modules.get(name, types.ModuleType(name)))
        for key, value in before.items():
            if (
                callable(value)
                and f"{name}.{key}" not in _PYTESTS
                and not key.startswith("__")
                and now.get(key) is not value
            ):
                found.append(f"{name}.{key}")
    return found
