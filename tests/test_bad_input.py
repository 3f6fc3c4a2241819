"""Whatever is wrong with an input, the answer is a line a problem, exit 2, and nothing written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taper_sim.cli import main
from taper_sim.data.patient import read_patient
from taper_sim.data.patients import read_drugs, read_patients
from taper_sim.data.problems import InputError
from taper_sim.experiments import compare
from taper_sim.policies.catalogue import build_policy

SCENARIO = """name: small
days: 28
draws: 2
cohort:
  patients: 20
  classes:
    opioid: {dose_median: 90, mix: [{drug: morphine, formulation: ER, share: 1}]}
protocols: [constant(), 'linear(pct=10, every=28)']
"""
PATIENT = """id: p1
drugs:
  - {drug: morphine, formulation: ER, dose_mg_per_day: 90, interval_h: 12}
"""
PATIENTS = "patient_id,pain,age\na,5,60\nb,6,50\n"
DRUGS = (
    "patient_id,drug,formulation,dose_mg_per_day,dose_mcg_per_h,interval_h\na,morphine,ER,90,,\nb,morphine,ER,60,,12\n"
)
RULES = "name: r\nrules:\n  - {all: [{instrument: pain_nrs, above: 3}], then: pause}\n"
BOMB = "a0: &a0 [x, x, x]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 12))

Lines = list[str]
Refused = Callable[..., Lines]


class ReachedSimulation(Exception):
    """The input was accepted: the simulation would begin now."""


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Call the command in a folder; demand exit 2 and an untouched folder; give the lines of standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: str, lines: int | None = 1) -> Lines:
        before = {path: path.read_bytes() if path.is_file() else b"" for path in tmp_path.rglob("*")}
        capsys.readouterr()
        assert main(argv) == 2
        said = capsys.readouterr()
        assert said.out == ""
        found = said.err.splitlines()
        assert "Traceback" not in said.err
        assert all(": given " in line and "; allowed: " in line for line in found), said.err
        if lines is not None:
            assert len(found) == lines, said.err
        after = {path: path.read_bytes() if path.is_file() else b"" for path in tmp_path.rglob("*")}
        assert after == before
        return found

    return run


@pytest.fixture
def accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Call the command in a folder; demand that it comes as far as the simulation."""
    monkeypatch.chdir(tmp_path)

    def reached(*_: object, **__: object) -> None:
        raise ReachedSimulation

    monkeypatch.setattr(compare, "run_jobs", reached)

    def run(*argv: str) -> None:
        with pytest.raises(ReachedSimulation):
            main(argv)

    return run


def case(name: str, *values: object) -> object:
    return pytest.param(*values, id=name)


# -- flags -------------------------------------------------------------------------------------------------------------

FLAGS = [
    case("no patients", "--patients=0", "--patients: given 0"),
    case("fewer than no patients", "--patients=-5", "1 to 10000000"),
    case("a milliard patients", "--patients=1000000000", "1 to 10000000"),
    case("no days", "--days=0", "1 to 3650"),
    case("too many days", "--days=99999999", "given 99999999"),
    case("no workers", "--workers=0", "a number of threads"),
    case("workers that are a word", "--workers=many", "given many"),
    case("workers at a page", "--workers=http://host:1", "tcp://host:port"),
    case("a negative seed", "--seed=-1", "0 to 2^63 - 1"),
    case("a seed of 65 bits", "--seed=18446744073709551616", "--seed"),
    case("an unknown name", "--protocols=constat()", "did you mean constant?"),
    case("a name without brackets", "--protocols=linar", "which is no protocol of the scenario"),
    case("a bracket that stays open", "--protocols=linear(pct=10", "closing brackets"),
    case("the same protocol twice", "--protocols=constant(), constant()", "each protocol once"),
    case("no protocol", "--protocols=", "given nothing"),
    case("a comma too many", "--protocols=constant(),,abrupt()", "separated by commas"),
    case("a protocol that never ends", "--protocols=linear(pct=0, every=28)", "never ends"),
    case("a percentage of what is left", "--protocols=exponential(pct=10, every=28, end_pct=0)", "never ends"),
    case("a rules file that is missing", '--protocols=adaptive("none.yaml")', "none.yaml: given no such file"),
    case("a call of 3000 letters", f"--protocols={'x' * 3000}()", "--protocols"),
    case("a line end and a tag in a name", "--protocols=<b>x</b>\nfoo", "<b>x</b>\\nfoo"),
    case("200 brackets", f"--protocols={'a(' * 200}{')' * 200}", "deep"),
]


@pytest.mark.parametrize(("flag", "says"), FLAGS)
def test_a_wrong_flag_is_one_line(refused: Refused, flag: str, says: str):
    Path("s.yaml").write_text(SCENARIO)
    (line,) = refused("compare", "s.yaml", flag, "--out", "run")
    assert says in line


def test_more_than_50_protocols_are_refused(refused: Refused):
    Path("s.yaml").write_text(SCENARIO)
    many = ",".join(f"rapid(days={k})" for k in range(1, 60))
    assert "at most 50" in refused("compare", "s.yaml", "--protocols", many)[0]


def test_all_wrong_protocols_are_said_at_once(refused: Refused):
    Path("s.yaml").write_text(SCENARIO)
    lines = refused("compare", "s.yaml", "--protocols", "linar(pct=1), foo, linear(pct=0, every=28)", lines=3)
    assert all(line.startswith("--protocols") for line in lines)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["comparee"],
        ["compare"],
        ["compare", "s.yaml", "--protocls", "x"],
        ["compare", "s.yaml", "--days", "many"],
        ["trace", "p.yaml"],
        ["trace", "p.yaml", "--out", "o.csv", "--noise", "on"],
    ],
)
def test_a_misspelt_command_line_ends_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


# -- files of any kind -------------------------------------------------------------------------------------------------

NOT_YAML = [
    case("empty", b"", "an empty file"),
    case("only a comment", b"# nothing\n", "an empty file"),
    case("binary", bytes(range(256)), "UTF-8"),
    case("UTF-16", SCENARIO.encode("utf-16"), "UTF-8"),
    case("a control character", b"name: a\x07b", "U+0007"),
    case("tabs", b"name: s\n\tdays: 3\n", "not indented with tabs"),
    case("a key twice", SCENARIO.encode() + b"days: 4\n", "the key days is written twice"),
    case("a list", b"- 1\n- 2\n", "keys and values"),
    case("a word", b"hello", "keys and values"),
    case("two documents", b"a: 1\n---\nb: 2\n", "one document"),
    case("a billion laughs", BOMB.encode(), "aliases"),
    case("a list in itself", b"name: &a [*a]\n", "aliases"),
    case(
        "merges that swell",
        b"a0: &a0 {x: 1}\n" + b"".join(b"a%d: &a%d {<<: [*a%d, *a%d]}\n" % (k, k, k - 1, k - 1) for k in range(1, 26)),
        "aliases",
    ),
    case("brackets without end", b"name: " + b"[" * 3000, "nested too deep"),
    case("huge", b"x" * 2_100_000, "at most 2,000,000 bytes"),
    case("a call of Python", b'name: !!python/object/apply:os.system ["echo"]', "could not determine a constructor"),
    case("an alias of nothing", b"name: *x", "undefined alias"),
    case("a list as key", b"? [a, b]\n: 1\n", "a list or mapping as a key"),
    case("a month 13", b"name: 2020-13-45\n", "month"),
    case("a number of 5000 digits", b"days: " + b"9" * 5000, "a number of 5,000"),
]


@pytest.mark.parametrize(("content", "says"), NOT_YAML)
@pytest.mark.parametrize("command", ["compare", "trace"])
def test_a_file_that_is_no_mapping_is_one_line(refused: Refused, command: str, content: bytes, says: str):
    Path("f.yaml").write_bytes(content)
    (line,) = refused(command, "f.yaml", "--out", "out")
    assert line.startswith("f.yaml")
    assert says in line


@pytest.mark.parametrize("command", ["compare", "trace", "hash"])
@pytest.mark.parametrize(
    ("path", "says"),
    [
        case("missing", "none.yaml", "no such file"),
        case("a folder", ".", "a folder"),
        case("below a file", "f.txt/s.yaml", "not a directory"),
        case("a name too long", "a" * 5000, "too long"),
        case("a name with a line end", "a\nb.yaml", "a\\nb.yaml: given no such file"),
        case("without an end", "/dev/zero", "a pipe, a device"),
    ],
)
def test_a_path_that_is_no_file_is_one_line(refused: Refused, command: str, path: str, says: str):
    Path("f.txt").write_text("x")
    if (command, path) == ("hash", "."):
        says = "no plan.json"  # the hash of a run folder's plan may be asked for
    assert says in refused(command, path, *(() if command == "hash" else ("--out", "out")))[0]


# -- scenarios ---------------------------------------------------------------------------------------------------------

GABAPENTIN = (
    "opioid: {dose_median: 90, mix: [{drug: morphine, formulation: ER",
    "gabapentinoid: {dose_median: 900, dose_high: 2400, mix: [{drug: gabapentin, formulation: IR",
)
SCENARIOS = [
    case("a misspelt key", "days: 28", "dais: 28", "did you mean days?"),
    case("negative days", "days: 28", "days: -1", "days: given -1; allowed: at least 1"),
    case("days in words", "days: 28", "days: many", "a whole number"),
    case("no draws", "draws: 2", "draws: 0", "draws"),
    case("no patients", "patients: 20", "patients: 0", "cohort.patients: given 0"),
    case("a cohort from nowhere", "patients: 20", "description: x", "how many to sample"),
    case("an unknown drug", "morphine", "morphin", "did you mean morphine?"),
    case("an unknown formulation", "ER", "XX", "IR, ER"),
    case("a negative share", "share: 1", "share: -1", "above 0"),
    case("a share that is no number", "share: 1", "share: .nan", "a finite number"),
    case("an interval that does not divide the day", "share: 1", "share: 1, interval_h: 5", "interval_h 5"),
    case("a negative dose", "dose_median: 90", "dose_median: -90", "dose_median: given -90"),
    case("an absurd dose", "dose_median: 90", "dose_median: 30000", "at most 3000"),
    case("doses that do not rise", "dose_median: 90", "dose_median: 90, dose_low: 99", "low at most the median"),
    case(
        "buprenorphine in morphine's numbers",
        "morphine, formulation: ER",
        "buprenorphine, formulation: TD",
        "at most 140, in its own mcg/h",
    ),
    case(
        "more gabapentin than is known to be absorbed",
        *GABAPENTIN,
        "given gabapentin IR every 8 h with dose_high 2400; allowed: dose_high of at most 360:",
    ),
    case(
        "more gabapentin at once than is known to be absorbed",
        GABAPENTIN[0],
        GABAPENTIN[1].replace("900", "90").replace("2400", "360") + ", interval_h: 24",
        "dose_high of at most 120:",
    ),
    case("a drug of another class", "opioid:", "benzodiazepine:", "morphine, which is of the class opioid"),
    case("a misspelt class", "opioid:", "opoid:", "opioid, benzodiazepine or gabapentinoid"),
    case("an empty mix", "[{drug: morphine, formulation: ER, share: 1}]", "[]", "at least 1"),
    case("a misspelt flag", "patients: 20", "patients: 20\n  shares: {pregnnt: 1}", "did you mean pregnant?"),
    case("drugs from a file without patients", "patients: 20", "patients: 20\n  drugs_file: x.csv", "without a file"),
    case("drugs from two places", "patients: 20", "file: x.csv\n  drugs_file: y.csv", "one of the two"),
    case("an unknown outcome", "days: 28", "days: 28\noutcomes: [paiin_nrs]", "did you mean pain_nrs?"),
    case("an unknown subgroup", "days: 28", "days: 28\nsubgroups: [does]", "did you mean dose?"),
    case("half of the weights", "days: 28", "days: 28\ncomposite: {pain: 1}", "all of pain"),
    case("an unknown symbol", "days: 28", "days: 28\nparameters: {sigm: 1}", "did you mean sigma?"),
    case("a time constant of 0", "days: 28", "days: 28\nparameters: {tau_s: 0}", "above 0"),
    case("a reference that is not compared", "days: 28", "days: 28\nreference: linar", "reference: given linar"),
    case("an unknown discipline", "days: 28", "days: 28\ncare: {disciplines: {nurs: 1}}", "did you mean nurse?"),
    case("an unknown preset", "constant()", "'preset(\"CDC 1922\")'", "CDC"),
    case("a misspelt argument", "every=28", "every=28, flor_pct=5", "did you mean floor_pct?"),
    case("two protocols of one name", "constant()", "'linear(every=28, pct=10)'", "each name once"),
    case("a call of Python", "constant()", "__import__(os)", "__import__"),
    case("a filter of published arms", "constant()", "constant() + tapered=yes", "for validation only"),
    case("an unknown adjunct", "constant()", "constant() + adjunct(aspirin)", "lofexidine"),
    case(
        "a patients file that is missing",
        "    opioid: {dose_median: 90, mix: [{drug: morphine, formulation: ER, share: 1}]}\n",
        "    opioid: {dose_median: 90, mix: [{drug: morphine, formulation: ER, share: 1}]}\n  file: none.csv\n",
        "none.csv: given no such file",
    ),
]


@pytest.mark.parametrize(("was", "becomes", "says"), SCENARIOS)
def test_a_wrong_scenario_is_one_line(refused: Refused, was: str, becomes: str, says: str):
    assert was in SCENARIO
    Path("s.yaml").write_text(SCENARIO.replace(was, becomes, 1))
    (line,) = refused("compare", "s.yaml", "--out", "run")
    assert says in line


def test_all_problems_of_a_scenario_are_said_at_once(refused: Refused):
    Path("s.yaml").write_text(SCENARIO.replace("days: 28", "days: -1\nsede: 3").replace("morphine", "morphin"))
    lines = refused("compare", "s.yaml", lines=3)
    assert refused("hash", "s.yaml", lines=3) == lines


def test_the_hash_of_a_scenario_whose_files_are_missing_is_refused(refused: Refused):
    Path("s.yaml").write_text(SCENARIO.replace("patients: 20", "file: none.csv"))
    assert "none.csv: given no such file" in refused("hash", "s.yaml")[0]


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        case("a misspelt key", "above:", "abov:", "did you mean above?"),
        case("an unknown action", "pause", "explode", "escalate"),
        case("an unknown instrument", "pain_nrs", "pain_nsr", "did you mean pain_nrs?"),
        case("two tests in one", "above: 3", "above: 3, below: 2", "exactly one"),
        case("a step back that is forbidden", "pause", "step back", "never_reverse"),
        case("a taper without end", "name: r", "name: r\nbasis: current\nend_pct: 0", "never ends"),
        case("no rules", RULES, "name: r\n", "rules: given nothing"),
    ],
)
def test_a_wrong_rules_file_is_one_line(refused: Refused, was: str, becomes: str, says: str):
    Path("r.yaml").write_text(RULES.replace(was, becomes))
    Path("s.yaml").write_text(SCENARIO.replace("constant()", 'adaptive("r.yaml")'))
    lines = [line for line in refused("compare", "s.yaml", lines=None) if says in line]
    assert lines
    assert lines[0].startswith("r.yaml")


# -- patients and drugs as CSV -----------------------------------------------------------------------------------------


def _csv(patients: str = PATIENTS, drugs: str = DRUGS, protocols: str = "[constant()]", more: str = "") -> None:
    Path("p.csv").write_text(patients)
    Path("d.csv").write_text(drugs)
    cohort = f"{{file: p.csv, drugs_file: d.csv{more}}}"
    Path("s.yaml").write_text(f"name: s\ndays: 28\ndraws: 2\ncohort: {cohort}\nprotocols: {protocols}\n")


PATIENT_FILES = [
    case("empty", "", "an empty file"),
    case("a header alone", "patient_id,pain\n", "an empty cohort"),
    case("semicolons", "patient_id;pain\na;5\nb;5\n", "separated by commas"),
    case("no patient_id", "id,pain\na,5\nb,5\n", "none of them patient_id"),
    case("an unknown column", "patient_id,pian\na,5\nb,5\n", "did you mean pain?"),
    case("a column twice", "patient_id,pain,pain\na,5,5\nb,5,5\n", "column 3 with the name of column 2"),
    case("a row too long", "patient_id,pain\na,5,6\nb,5\n", "row 2: given 3 cells; allowed: 2"),
    case("a row too short", "patient_id,pain\na\nb,5\n", "row 2, pain: given nothing"),
    case("a quote that stays open", 'patient_id,pain\n"a,5\nb,5\n', "quote"),
    case("a null character", "patient_id,pain\na\0,5\nb,5\n", "a null character"),
    case("NaN", "patient_id,pain\na,NaN\nb,5\n", "row 2, pain: given NaN"),
    case("an empty cell", "patient_id,pain\na,5\nb,\n", "row 3, pain: given nothing"),
    case("text for a number", "patient_id,pain\na,five\nb,5\n", "given five; allowed: a number from 0 to 10"),
    case("infinity", "patient_id,pain\na,inf\nb,5\n", "given inf"),
    case("a decimal comma", 'patient_id,pain\na,"5,5"\nb,5\n', "given 5,5"),
    case("a value off its scale", "patient_id,pain\na,11\nb,5\n", "row 2, pain: given 11"),
    case("a negative age", "patient_id,age\na,-1\nb,5\n", "from 0 to 120"),
    case("a patient twice", "patient_id,pain\na,5\nb,5\na,6\n", "row 4, patient_id: given a a second time"),
    case("a patient without a name", "patient_id,pain\na,5\n,5\nb,5\n", "row 3, patient_id: given nothing"),
    case("a maybe", "patient_id,oud\na,maybe\nb,0\n", "true, false, yes or no"),
    case("a tag in a column", "patient_id,<b>\na,1\nb,1\n", "an unknown column <b>"),
]


@pytest.mark.parametrize(("content", "says"), PATIENT_FILES)
def test_a_wrong_patients_file_is_one_line(refused: Refused, content: str, says: str):
    _csv(patients=content)
    (line,) = refused("compare", "s.yaml", "--out", "run")
    assert line.startswith("p.csv")
    assert says in line


DRUG_FILES = [
    case("a header alone", DRUGS, DRUGS.splitlines()[0] + "\n", "a header without rows"),
    case("semicolons", DRUGS, DRUGS.replace(",", ";"), "separated by commas"),
    case("no column drug", "patient_id,drug,", "patient_id,drugg,", None),
    case("a stranger", "b,morphine", "zz,morphine", "a patient of the patients file"),
    case("a patient without drugs", "b,morphine,ER,60,,12\n", "", "no drug for patient b"),
    case("an unknown drug", "b,morphine", "b,morphin", "did you mean morphine?"),
    case("an unknown formulation", "60,,12", "60,,12\na,oxycodone,XX,5,,", "oxycodone has no formulation XX"),
    case("a patch in mg", "b,morphine,ER", "b,fentanyl,TD", "dose_mcg_per_h alone"),
    case("a tablet in mcg/h", "60,,12", ",60,12", "dose_mg_per_day alone"),
    case("no dose", "60,,12", ",,12", "no dose given"),
    case("a negative dose", "60,", "-60,", "dose_mg_per_day -60"),
    case("an absurd dose", "60,", "30000,", "at most 3000"),
    case("a dose that is no number", "60,", "nan,", "a finite number"),
    case("a unit in the cell", "60,", "60mg,", "given 60mg; allowed: a number"),
    case("an interval that does not divide the day", ",,12", ",,5", "interval_h 5"),
    case("an interval of a moment", ",,12", ",,1e-9", "1 to 336 h"),
    case("a drug twice", "60,,12\n", "60,,12\nb,morphine,ER,30,,\n", "morphine ER of patient b a second time"),
    case("buprenorphine beside an opioid", "60,,12\n", "60,,12\nb,buprenorphine,SL film/tablet,8,,\n", "patient b"),
]


@pytest.mark.parametrize(("was", "becomes", "says"), DRUG_FILES)
def test_a_wrong_drugs_file_names_itself(refused: Refused, was: str, becomes: str, says: str | None):
    assert was in DRUGS
    _csv(drugs=DRUGS.replace(was, becomes))
    lines = refused("compare", "s.yaml", "--out", "run", lines=1 if says else None)
    assert all(line.startswith("d.csv") and (says or "drug") in line for line in lines)


def test_many_problems_are_counted_not_listed(refused: Refused):
    _csv(patients="patient_id,pain\n" + "".join(f"p{k},99\n" for k in range(500)))
    assert "480 more problems" in refused("compare", "s.yaml", lines=21)[-1]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        case("a column that is not there", "columns: {patient_id: ID, pain: NSR}", "NSR"),
        case("a name that is not ours", "columns: {patient_id: ID, pian: NRS}", "pian"),
        case("no patient_id", "columns: {pain: NRS}", "patient_id"),
    ],
)
def test_a_wrong_mapping_of_columns_is_refused(refused: Refused, more: str, says: str):
    _csv(patients="ID,NRS\na,5\nb,6\n", more=f", {more}")
    assert says in refused("compare", "s.yaml", "--out", "run")[0]


def test_a_file_of_which_every_row_is_left_out_is_an_empty_cohort(refused: Refused):
    _csv(patients="patient_id,pain\na,\nb,\n", more=", drop_missing: true")
    assert "an empty cohort" in refused("compare", "s.yaml")[0]


def test_fewer_patients_than_the_file_has_need_no_other_drugs_file(accepted: Callable[..., None]):
    _csv()
    accepted("compare", "s.yaml", "--patients", "1", "--out", "run")


# -- people for whom a protocol has no rule ----------------------------------------------------------------------------

PREGNANT = ("patient_id,pregnant\na,0\nb,1\n", DRUGS)
BUPRENORPHINE = ("patient_id\na\nb\n", DRUGS.replace("b,morphine,ER,60,,12", "b,buprenorphine,SL film/tablet,8,,"))
LINEAR = "linear(pct=10, every=28)"


@pytest.mark.parametrize(("files", "who"), [(PREGNANT, "pregnancy"), (BUPRENORPHINE, "buprenorphine")])
@pytest.mark.parametrize("protocol", [LINEAR, "abrupt()", f"{LINEAR} + adjunct(lofexidine)"])
def test_people_without_a_rule_are_refused(refused: Refused, files: tuple[str, str], who: str, protocol: str):
    _csv(*files, protocols=f"['{protocol}']")
    (line,) = refused("compare", "s.yaml", "--out", "run")
    assert f"patient b with {who}" in line
    assert f"hold({who})" in line


@pytest.mark.parametrize(("files", "who"), [(PREGNANT, "pregnancy"), (BUPRENORPHINE, "buprenorphine")])
@pytest.mark.parametrize("protocol", ["constant()", f"{LINEAR} + hold({{who}})"])
def test_holding_them_is_a_rule(accepted: Callable[..., None], files: tuple[str, str], who: str, protocol: str):
    _csv(*files, protocols=f"['{protocol.format(who=who)}']")
    accepted("compare", "s.yaml", "--out", "run")


def test_a_trace_refuses_them_too(refused: Refused):
    Path("p.yaml").write_text(PATIENT + "answers: {pregnant: true}\n")
    assert "patient p1 with pregnancy" in refused("trace", "p.yaml", "--protocol", LINEAR, "--out", "o.csv")[0]


# -- folders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "says"),
    [
        case("below a file", "s.yaml/run", "s.yaml is a file"),
        case("a file", "s.yaml", "a file"),
        case("where nobody writes", "/proc/none/run", "can be written"),
        case("a name too long", "a" * 300, "written"),
        case("with other files", "full", "other files"),
        case("of another run", "other", "another run"),
        case("with a plan that is no JSON", "broken", "not JSON"),
    ],
)
def test_a_folder_that_cannot_take_the_run_is_refused(refused: Refused, out: str, says: str):
    Path("s.yaml").write_text(SCENARIO)
    plan = {"hash": "x", "file": "s.yaml", "folder": ".", "scenario": {}}
    for name, file, text in (
        ("full", "x.txt", "x"),
        ("other", "plan.json", json.dumps(plan)),
        ("broken", "plan.json", "{"),
    ):
        Path(name).mkdir()
        Path(name, file).write_text(text)
    assert says in refused("compare", "s.yaml", "--out", out)[0]


@pytest.mark.parametrize("out", [".", "p.yaml/o.csv", "/proc/none/o.csv", "a" * 300])
def test_a_trace_that_cannot_be_written_is_refused(refused: Refused, out: str):
    Path("p.yaml").write_text(PATIENT)
    refused("trace", "p.yaml", "--days", "3", "--out", out)


@pytest.mark.parametrize("command", ["resume", "verify"])
@pytest.mark.parametrize("text", [None, "{", "[]", "{}", "3", '{"hash": 1}', '{"outputs_sha256": 5}', "\0"])
def test_a_folder_that_is_no_run_is_refused(refused: Refused, command: str, text: str | None):
    Path("run").mkdir()
    for name in ("plan.json", "manifest.json"):
        if text is not None:
            Path("run", name).write_text(text)
    refused(command, "run", lines=None)
    refused(command, "nowhere")
    refused(command, "run", "--workers", "0")


# -- one patient's file ------------------------------------------------------------------------------------------------

PATIENT_LINES = [
    case("a misspelt key", "baselin: {pain: 3}", "did you mean baseline?"),
    case("a misspelt key inside", "baseline: {pian: 3}", "baseline.pian"),
    case("pain off its scale", "baseline: {pain: 11}", "baseline.pain: given 11; allowed: 0 to 10"),
    case("pain that is no number", "baseline: {pain: .nan}", "a finite number"),
    case("an unknown symbol", "parameters: {sigm: {opioid: 2}}", "did you mean sigma?"),
    case("one value for three classes", "parameters: {sigma: 2.0}", "such as {opioid: 2}"),
    case("three values for one", "parameters: {xi: {opioid: 2}}", "one number"),
    case("a class misspelt", "parameters: {sigma: {opoid: 1}}", "opioid, benzodiazepine or gabapentinoid"),
    case("a share above 1", "parameters: {trough_mean: {opioid: 1.2}}", "a share above 0 and below 1"),
    case("a negative sigma", "parameters: {sigma: {opioid: -1}}", "parameters.sigma.opioid: given -1"),
    case("a yes for a number", "parameters: {xi: true}", "a number"),
    case("an infinite value", "parameters: {xi: .inf}", "a finite number"),
    case("a schedule without a start", "schedule: {opioid: {1: 90}}", "day 0"),
    case("a schedule of nothing", "schedule: {}", "at least one drug class"),
    case("a schedule for what is not taken", "schedule: {benzodiazepine: {0: 10}}", "no benzodiazepine under drugs"),
    case("a day before the start", "schedule: {opioid: {0: 90, -1: 5}}", "given -1; allowed: at least 0"),
    case("half a day", "schedule: {opioid: {0: 90, 1.5: 5}}", "a whole number"),
    case("a negative dose", "schedule: {opioid: {0: -90}}", "schedule.opioid.0: given -90"),
    case("a dose that is no number", "schedule: {opioid: {0: .nan}}", "a finite number"),
    case("a dose without bound", "schedule: {opioid: {0: .inf}}", "a finite number"),
    case("negative care", "care: {pt: -1}", "care.pt: given -1; allowed: at least 0"),
    case("care of nobody", "care: {ptt: 1}", "did you mean pt?"),
    case("an answer to no question", "answers: {naloxone_at_hom: true}", "did you mean naloxone_at_home?"),
    case("an answer off its scale", "answers: {pain_nrs: 99}", "0 to 10"),
    case("a maybe", "answers: {pregnant: maybe}", "true or false"),
    case("a use of no days", "use_days: {opioid: 0}", "at least 1"),
    case("half a taper", "risk: {failed_tapers: 2.5}", "a whole number"),
    case("a pigeon", "access: {modality: pigeon}", "video, phone or in_person"),
    case("a great age", "age: 400", "at most 120"),
]


@pytest.mark.parametrize(("line", "says"), PATIENT_LINES)
def test_a_wrong_line_of_a_patient_is_one_line(refused: Refused, line: str, says: str):
    Path("p.yaml").write_text(f"{PATIENT}{line}\n")
    (found,) = refused("trace", "p.yaml", "--out", "o.csv")
    assert says in found


PATIENT_DRUGS = [
    case("an unknown drug", "drug: morphin, dose_mg_per_day: 90", "did you mean morphine?"),
    case("an unknown formulation", "drug: morphine, formulation: XX, dose_mg_per_day: 90", "IR, ER"),
    case("a patch in mg", "drug: fentanyl, formulation: TD, dose_mg_per_day: 50", "dose_mcg_per_h alone"),
    case("a tablet in mcg/h", "drug: morphine, formulation: ER, dose_mcg_per_h: 50", "dose_mg_per_day alone"),
    case("no dose", "drug: morphine, formulation: ER", "no dose given"),
    case("a negative dose", "drug: morphine, formulation: ER, dose_mg_per_day: -5", "0 or more"),
    case("an absurd dose", "drug: morphine, formulation: ER, dose_mg_per_day: 30000", "at most 3000"),
    case("an interval of 5 h", "drug: morphine, formulation: ER, dose_mg_per_day: 9, interval_h: 5", "interval_h 5"),
    case("a tag and a line end", 'drug: "<script>\\nx", dose_mg_per_day: 9', "<script>\\nx"),
]


@pytest.mark.parametrize(("entry", "says"), PATIENT_DRUGS)
def test_a_wrong_drug_of_a_patient_is_one_line(refused: Refused, entry: str, says: str):
    Path("p.yaml").write_text(f"id: p\ndrugs:\n  - {{{entry}}}\n")
    (found,) = refused("trace", "p.yaml", "--out", "o.csv")
    assert found.startswith("p.yaml: drugs.0: given ")
    assert says in found


def test_all_problems_of_a_patient_are_said_at_once(refused: Refused):
    Path("p.yaml").write_text(
        "idd: p\nage: 400\ndrugs:\n  - {drug: morphin}\nparameters: {foo: 1, bar: 2}\n"
        "baseline: {pain: 99, function: -1}\n"
    )
    refused("trace", "p.yaml", "--out", "o.csv", lines=8)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--days", "0"),
        ("--days", "99999999"),
        ("--seed", "-1"),
        ("--protocol", "linar(pct=1)"),
        ("--protocol", ""),
        ("--protocol", "constant"),
        ("--protocol", "constant(), abrupt()"),
        ("--protocol", "linear(pct=0, every=28)"),
        ("--protocol", "oracle(limit=0.15, every=14)"),
        ("--protocol", "integral(every=14)"),
    ],
)
def test_a_wrong_flag_of_a_trace_is_one_line(refused: Refused, flag: str, value: str):
    Path("p.yaml").write_text(PATIENT)
    assert refused("trace", "p.yaml", f"{flag}={value}", "--out", "o.csv")[0].startswith(flag)


# -- junk --------------------------------------------------------------------------------------------------------------

JUNK = settings(
    derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WORDS = st.sampled_from(
    [
        "linear",
        "constant",
        "(",
        ")",
        ",",
        "=",
        "pct",
        "every",
        "10",
        "-1",
        "1e999",
        '"',
        "+",
        "\n",
        "hold",
        "preset",
        "sequence",
        "drug_class",
        "opioid",
        "nan",
        " ",
        "é",
        "\0",
    ]
)
PIECES = st.sampled_from(
    [
        "id",
        "drugs",
        "schedule",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "\n",
        "  ",
        "0",
        "opioid",
        "morphine",
        "&a ",
        "*a",
        ".nan",
        "~",
        "!!int ",
        "'",
        '"',
        "\t",
        "<<",
    ]
)
CELLS = st.sampled_from(
    ["patient_id", "pain", "drug", "a", "5", "", "-1", "nan", '"', "morphine", "é", ";", "\r", "\n", ","]
)


@JUNK
@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=14).map("".join)))
def test_junk_as_a_protocol_gives_nothing_but_input_errors(text: str):
    try:
        build_policy(text, file="junk")
    except InputError as error:
        assert error.problems


@JUNK
@given(content=st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=24).map(lambda p: "".join(p).encode())))
def test_junk_as_a_patient_gives_nothing_but_input_errors(content: bytes, tmp_path: Path):
    path = tmp_path / "p.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_patient(path)


@JUNK
@given(content=st.one_of(st.binary(max_size=60), st.lists(CELLS, max_size=24).map(lambda c: ",".join(c).encode())))
def test_junk_as_csv_gives_nothing_but_input_errors(content: bytes, tmp_path: Path):
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    for read in (lambda: read_patients(path, {}, drop_missing=True, strict=True), lambda: read_drugs(path, ["a"])):
        try:
            read()
        except InputError as error:
            assert error.problems
