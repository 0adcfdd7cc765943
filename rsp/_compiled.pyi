from importlib.machinery import ModuleSpec
from types import ModuleType

names: tuple[str, ...]

def create(spec: ModuleSpec) -> ModuleType: ...
