"""The part of the standard library's `dataclasses` that a strategy's container needs, at a tenth of its memory.

`dataclasses` loads `inspect`, `ast` and `dis`, and compiles six functions for each class: more than two megabytes that every
idle loop would keep. Here a class gets one compiled function, its __init__; the others are the same for all classes.

Type checkers see the standard library's names. Its own functions (`asdict`, `fields`, `replace`) and its dataclasses that
inherit from one of these work as well: what they ask for is made when they ask.
"""
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, ANN204 - type checkers read the standard library's instead

from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    _MISSING = object()
    _FIELDS = "__record_fields__"
    _set = object.__setattr__

    class _Field:
        __slots__ = ("compare", "default", "factory", "kw_only", "name", "repr", "type")

        def __init__(self, default, factory, *, repr, compare):  # noqa: A002 - as in dataclasses
            self.default, self.factory, self.repr, self.compare = default, factory, repr, compare

    def field(*, default=_MISSING, default_factory=None, repr=True, compare=True):  # noqa: A002 - as in dataclasses
        """Declare a field, as `dataclasses.field` does."""
        return _Field(default, default_factory, repr=repr, compare=compare)

    def dataclass(cls=None, /, *, frozen=False, eq=True, repr=True, kw_only=False):  # noqa: A002 - as in dataclasses
        """Make a class of fields, as `dataclasses.dataclass` does."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen, eq=eq, repr=repr, kw_only=kw_only)
        fields = _collect(cls, kw_only=kw_only)
        setattr(cls, _FIELDS, tuple(fields))
        cls.__match_args__ = tuple(one.name for one in fields if not one.kw_only)
        cls.__dataclass_fields__ = _ForStandardLibrary("__dataclass_fields__")
        cls.__dataclass_params__ = _ForStandardLibrary("__dataclass_params__")
        methods = {"__init__": _init(cls, frozen=frozen)}
        if repr:
            methods["__repr__"] = _repr
        if eq:
            compared = [one.name for one in fields if one.compare]
            cls.__record_values__ = attrgetter(*compared) if compared else type
            # Python itself sets __hash__ to None in a class that has an __eq__ of its own.
            methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
        if frozen:
            methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
        for name, method in methods.items():
            if vars(cls).get(name) is None:
                setattr(cls, name, method)
        return cls

    def _collect(cls, *, kw_only):
        fields = {one.name: one for base in cls.__mro__[:0:-1] for one in vars(base).get(_FIELDS, ())}
        for name, kind in cls.__annotations__.items():
            found = vars(cls).get(name, _MISSING)
            one = found if isinstance(found, _Field) else _Field(found, None, repr=True, compare=True)
            one.name, one.type, one.kw_only = name, kind, kw_only
            fields[name] = one
            if one.default is not _MISSING:
                setattr(cls, name, one.default)
            elif one is found:
                delattr(cls, name)
        return fields.values()

    def replace(instance, /, **changes):
        """Return a copy with other values, as `dataclasses.replace` does."""
        cls = type(instance)
        if _FIELDS not in vars(cls):
            import dataclasses  # noqa: PLC0415 - the instance is of the standard library's

            return dataclasses.replace(instance, **changes)
        return cls(**{one.name: getattr(instance, one.name) for one in vars(cls)[_FIELDS]} | changes)

    def _init(cls, *, frozen):
        names = {"_MISSING": _MISSING, "_set": _set}
        positional, by_name, body = [], [], []
        for one in getattr(cls, _FIELDS):
            name = value = parameter = one.name
            if one.factory is not None:
                names[f"_make_{name}"] = one.factory
                parameter, value = f"{name}=_MISSING", f"_make_{name}() if {name} is _MISSING else {name}"
            elif one.default is not _MISSING:
                names[f"_default_{name}"] = one.default
                parameter = f"{name}=_default_{name}"
            (by_name if one.kw_only else positional).append(parameter)
            body.append(f' _set(self, "{name}", {value})' if frozen else f" self.{name} = {value}")
        parameters = ["self", *positional, *(["*", *by_name] if by_name else [])]
        text = "\n".join([f"def __init__({', '.join(parameters)}):", *(body or [" pass"])])
        exec(text, names)  # noqa: S102 - of names that stand in the class, as dataclasses and namedtuple do it
        made = names.pop("__init__")
        made.__qualname__ = f"{cls.__qualname__}.__init__"
        return made

    def _repr(self):
        shown = (f"{one.name}={getattr(self, one.name)!r}" for one in getattr(self, _FIELDS) if one.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _eq(self, other):
        if type(self) is not type(other):
            return NotImplemented
        values = type(self).__record_values__
        return values(self) == values(other)

    def _hash(self):
        return hash((type(self).__record_values__(self),))

    def _refuse(self, name, *value):
        if _FIELDS in vars(type(self)) or any(name == one.name for one in getattr(self, _FIELDS)):
            from dataclasses import FrozenInstanceError  # noqa: PLC0415 - an error of the program

            msg = f"cannot {'assign to' if value else 'delete'} field {name!r}"
            raise FrozenInstanceError(msg)
        if value:
            _set(self, name, *value)
        else:
            object.__delattr__(self, name)

    class _ForStandardLibrary:
        """Describes a class to the standard library's functions when one of them asks."""

        def __init__(self, name):
            self._name = name

        def __get__(self, instance, owner):
            return getattr(_twin(owner), self._name)

    @cache
    def _twin(cls):
        import dataclasses  # noqa: PLC0415 - see the module's docstring

        fields = [
            (
                one.name,
                one.type,
                dataclasses.field(
                    **({} if one.default is _MISSING else {"default": one.default}),
                    **({} if one.factory is None else {"default_factory": one.factory}),
                    repr=one.repr,
                    compare=one.compare,
                    kw_only=one.kw_only,
                ),
            )
            for one in getattr(cls, _FIELDS)
        ]
        is_frozen = cls.__setattr__ is _refuse
        return dataclasses.make_dataclass(cls.__name__, fields, frozen=is_frozen)
