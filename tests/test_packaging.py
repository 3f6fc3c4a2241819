"""pyproject.toml, environment.yml, README and the package say the same."""

import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _pins() -> dict[str, str]:
    return dict(pin.split("==") for pin in PROJECT["tool"]["uv"]["constraint-dependencies"])


def _named(requirement: str) -> str:
    return re.split(r"[<>=!~ ]", requirement)[0].lower()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower())


def _declared() -> set[str]:
    extras = [name for extra in PROJECT["project"]["optional-dependencies"].values() for name in extra]
    names = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"] + extras
    return {_named(requirement) for requirement in names}


def test_environment_yml_pins_what_is_declared_as_pyproject_pins_it():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = dict(line.split("=") for line in environment if isinstance(line, str))
    assert conda.pop("python") == (ROOT / ".python-version").read_text().strip()
    pip = {k: v for entry in environment if isinstance(entry, dict) for k, v in (p.split("==") for p in entry["pip"])}
    assert (conda | pip).items() <= _pins().items()
    assert _declared() <= set(conda | pip)  # conda solves for what these need in turn


def test_every_declared_dependency_is_pinned():
    assert _declared() <= set(_pins())


def test_every_package_that_is_installed_is_pinned_at_its_version():
    installed = {
        _normal(one.metadata["Name"]): one.version for one in distributions(path=[sysconfig.get_path("purelib")])
    }
    for name in ("taper-sim", "pip", "uv"):
        installed.pop(name, None)
    pins = {_normal(name): version for name, version in _pins().items()}
    assert installed.items() <= pins.items()


def test_every_hashed_requirement_has_the_pinned_version_and_a_hash():
    text = (ROOT / "constraints-hashed.txt").read_text()
    assert "://" not in text  # no address of a registry
    hashes_of = r"((?:\n    --hash=sha256:[0-9a-f]{64}[ \\]*)*)"
    entries = re.findall(r"^([\w.-]+)==([^ ;\\\n]+)[^\n]*" + hashes_of, text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^\w", text, re.MULTILINE))
    assert all(hashes for _, _, hashes in entries)
    pins = {_normal(name): version for name, version in _pins().items()}
    hashed = {_normal(name): version for name, version, _ in entries}
    assert {name: version for name, version in hashed.items() if pins.get(name, version) != version} == {}
    assert set(pins) - set(hashed) == set()


def test_readme_commands_begin_with_pip_install_uv():
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    assert all(block.startswith("pip install uv && uv run ") for block in blocks)


def test_no_lock_file_is_committed():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert "uv.lock" not in tracked.split()


def test_importing_the_package_loads_no_heavy_library():
    heavy = ("numpy", "numba", "pandas", "matplotlib", "pydantic", "scipy")
    code = f"import taper_sim, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert found.stdout.strip() == "[]"


def test_every_public_name_exists():
    import taper_sim

    assert all(getattr(taper_sim, name) is not None for name in taper_sim.__all__)
