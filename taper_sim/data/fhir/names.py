"""Names that identify a product: brands, other drugs of the classes, combination partners, forms. Imports nothing.

The module holds no doses and no strengths. A drug of the three classes that is missing from the lists would be read as
a drug of another class, so the lists are long on purpose. Source: RxNorm ingredient and brand names, from general
knowledge; not reviewed.
"""

import re
from typing import Final, NamedTuple


class Brand(NamedTuple):
    """Ingredient of a brand, its form ("" if the brand has several), and its second ingredient ("" if none)."""

    drug: str
    form: str = ""
    partner: str = ""


_APAP: Final = "acetaminophen"
BRANDS: Final[dict[str, Brand]] = {
    "ms contin": Brand("morphine", "ER"),
    "mst": Brand("morphine", "ER"),
    "kadian": Brand("morphine", "ER"),
    "avinza": Brand("morphine", "ER"),
    "arymo": Brand("morphine", "ER"),
    "morphabond": Brand("morphine", "ER"),
    "embeda": Brand("morphine", "ER", "naltrexone"),
    "oramorph": Brand("morphine"),
    "msir": Brand("morphine", "plain"),
    "oxycontin": Brand("oxycodone", "ER"),
    "xtampza": Brand("oxycodone", "ER"),
    "roxicodone": Brand("oxycodone", "plain"),
    "oxaydo": Brand("oxycodone", "plain"),
    "roxybond": Brand("oxycodone", "plain"),
    "oxynorm": Brand("oxycodone", "plain"),
    "percocet": Brand("oxycodone", "plain", _APAP),
    "endocet": Brand("oxycodone", "plain", _APAP),
    "roxicet": Brand("oxycodone", "plain", _APAP),
    "percodan": Brand("oxycodone", "plain", "aspirin"),
    "primlev": Brand("oxycodone", "plain", _APAP),
    "nalocet": Brand("oxycodone", "plain", _APAP),
    "targiniq": Brand("oxycodone", "ER", "naloxone"),
    "targin": Brand("oxycodone", "ER", "naloxone"),
    "xartemis": Brand("oxycodone", "ER", _APAP),
    "vicodin": Brand("hydrocodone", "plain", _APAP),
    "norco": Brand("hydrocodone", "plain", _APAP),
    "lortab": Brand("hydrocodone", "plain", _APAP),
    "lorcet": Brand("hydrocodone", "plain", _APAP),
    "xodol": Brand("hydrocodone", "plain", _APAP),
    "verdrocet": Brand("hydrocodone", "plain", _APAP),
    "vicoprofen": Brand("hydrocodone", "plain", "ibuprofen"),
    "hycodan": Brand("hydrocodone", "", "homatropine"),
    "tussionex": Brand("hydrocodone", "ER", "chlorpheniramine"),
    "hysingla": Brand("hydrocodone", "ER"),
    "zohydro": Brand("hydrocodone", "ER"),
    "dilaudid": Brand("hydromorphone"),
    "exalgo": Brand("hydromorphone", "ER"),
    "opana": Brand("oxymorphone"),
    "nucynta": Brand("tapentadol"),
    "palexia": Brand("tapentadol"),
    "ultram": Brand("tramadol"),
    "ultracet": Brand("tramadol", "plain", _APAP),
    "conzip": Brand("tramadol", "ER"),
    "ryzolt": Brand("tramadol", "ER"),
    "seglentis": Brand("tramadol", "plain", "celecoxib"),
    "qdolo": Brand("tramadol"),
    "duragesic": Brand("fentanyl", "patch"),
    "durogesic": Brand("fentanyl", "patch"),
    "actiq": Brand("fentanyl", "other"),
    "fentora": Brand("fentanyl", "other"),
    "abstral": Brand("fentanyl", "other"),
    "subsys": Brand("fentanyl", "other"),
    "lazanda": Brand("fentanyl", "other"),
    "sublimaze": Brand("fentanyl", "other"),
    "dolophine": Brand("methadone"),
    "methadose": Brand("methadone"),
    "diskets": Brand("methadone"),
    "suboxone": Brand("buprenorphine", "sublingual", "naloxone"),
    "subutex": Brand("buprenorphine", "sublingual"),
    "zubsolv": Brand("buprenorphine", "sublingual", "naloxone"),
    "bunavail": Brand("buprenorphine", "buccal", "naloxone"),
    "belbuca": Brand("buprenorphine", "buccal"),
    "butrans": Brand("buprenorphine", "patch"),
    "sublocade": Brand("buprenorphine", "other"),
    "brixadi": Brand("buprenorphine", "other"),
    "buprenex": Brand("buprenorphine", "other"),
    "probuphine": Brand("buprenorphine", "other"),
    "valium": Brand("diazepam"),
    "diastat": Brand("diazepam", "other"),
    "valtoco": Brand("diazepam", "other"),
    "klonopin": Brand("clonazepam"),
    "rivotril": Brand("clonazepam"),
    "xanax": Brand("alprazolam"),
    "niravam": Brand("alprazolam", "plain"),
    "ativan": Brand("lorazepam"),
    "loreev": Brand("lorazepam", "ER"),
    "restoril": Brand("temazepam"),
    "librium": Brand("chlordiazepoxide"),
    "librax": Brand("chlordiazepoxide", "plain", "clidinium"),
    "limbitrol": Brand("chlordiazepoxide", "plain", "amitriptyline"),
    "serax": Brand("oxazepam"),
    "neurontin": Brand("gabapentin", "plain"),
    "gralise": Brand("gabapentin", "ER"),
    "lyrica cr": Brand("pregabalin", "ER"),
    "lyrica": Brand("pregabalin"),
    # outside the United States
    "zomorph": Brand("morphine", "ER"),
    "morphgesic": Brand("morphine", "ER"),
    "skenan": Brand("morphine", "ER"),
    "kapanol": Brand("morphine", "ER"),
    "capros": Brand("morphine", "ER"),
    "mxl": Brand("morphine", "ER"),
    "sevredol": Brand("morphine", "plain"),
    "actiskenan": Brand("morphine", "plain"),
    "longtec": Brand("oxycodone", "ER"),
    "oxypro": Brand("oxycodone", "ER"),
    "reltebon": Brand("oxycodone", "ER"),
    "oxeltra": Brand("oxycodone", "ER"),
    "zomestine": Brand("oxycodone", "ER"),
    "oxylan": Brand("oxycodone", "ER"),
    "oxygesic": Brand("oxycodone", "ER"),
    "abtard": Brand("oxycodone", "ER"),
    "shortec": Brand("oxycodone", "plain"),
    "oxyact": Brand("oxycodone", "plain"),
    "lynlor": Brand("oxycodone", "plain"),
    "endone": Brand("oxycodone", "plain"),
    "palladone": Brand("hydromorphone"),
    "palladon": Brand("hydromorphone"),
    "hydromorph": Brand("hydromorphone"),
    "jurnista": Brand("hydromorphone", "ER"),
    "yantil": Brand("tapentadol"),
    "zydol": Brand("tramadol"),
    "zamadol": Brand("tramadol"),
    "tramal": Brand("tramadol"),
    "contramal": Brand("tramadol"),
    "topalgic": Brand("tramadol"),
    "tramadolor": Brand("tramadol"),
    "tradorec": Brand("tramadol", "ER"),
    "maxitram": Brand("tramadol", "ER"),
    "marol": Brand("tramadol", "ER"),
    "matrifen": Brand("fentanyl", "patch"),
    "mezolar": Brand("fentanyl", "patch"),
    "fencino": Brand("fentanyl", "patch"),
    "victanyl": Brand("fentanyl", "patch"),
    "opiodur": Brand("fentanyl", "patch"),
    "yemex": Brand("fentanyl", "patch"),
    "osmanil": Brand("fentanyl", "patch"),
    "tilofyl": Brand("fentanyl", "patch"),
    "fentalis": Brand("fentanyl", "patch"),
    "effentora": Brand("fentanyl", "other"),
    "instanyl": Brand("fentanyl", "other"),
    "pecfent": Brand("fentanyl", "other"),
    "recivit": Brand("fentanyl", "other"),
    "breakyl": Brand("fentanyl", "other"),
    "physeptone": Brand("methadone"),
    "methatabs": Brand("methadone"),
    "biodone": Brand("methadone"),
    "metadol": Brand("methadone"),
    "eptadone": Brand("methadone"),
    "butec": Brand("buprenorphine", "patch"),
    "sevodyne": Brand("buprenorphine", "patch"),
    "transtec": Brand("buprenorphine", "patch"),
    "hapoctasin": Brand("buprenorphine", "patch"),
    "bupeaze": Brand("buprenorphine", "patch"),
    "relevtec": Brand("buprenorphine", "patch"),
    "panitaz": Brand("buprenorphine", "patch"),
    "reletrans": Brand("buprenorphine", "patch"),
    "bunov": Brand("buprenorphine", "patch"),
    "norspan": Brand("buprenorphine", "patch"),
    "espranor": Brand("buprenorphine", "sublingual"),
    "temgesic": Brand("buprenorphine", "sublingual"),
    "natzon": Brand("buprenorphine", "sublingual"),
    "prefibin": Brand("buprenorphine", "sublingual"),
    "tephine": Brand("buprenorphine", "sublingual"),
    "buvidal": Brand("buprenorphine", "other"),
    "tensium": Brand("diazepam"),
    "antenex": Brand("diazepam"),
    "valpam": Brand("diazepam"),
    "diazemuls": Brand("diazepam", "other"),
    "stesolid": Brand("diazepam", "other"),
    "paxam": Brand("clonazepam"),
    "temesta": Brand("lorazepam"),
    "tavor": Brand("lorazepam"),
    "normison": Brand("temazepam"),
    "euhypnos": Brand("temazepam"),
    "serepax": Brand("oxazepam"),
    "murelax": Brand("oxazepam"),
    "alepam": Brand("oxazepam"),
    "adumbran": Brand("oxazepam"),
    "praxiten": Brand("oxazepam"),
    "kalma": Brand("alprazolam"),
    "xanor": Brand("alprazolam"),
    "tafil": Brand("alprazolam"),
    "alzain": Brand("pregabalin"),
    "axalid": Brand("pregabalin"),
    "lecaent": Brand("pregabalin"),
    "rewisca": Brand("pregabalin"),
    "gabapen": Brand("gabapentin"),
    "nupentin": Brand("gabapentin"),
    "gabarone": Brand("gabapentin"),
    "fanatrex": Brand("gabapentin"),
    "targinact": Brand("oxycodone", "ER", "naloxone"),
    "tramacet": Brand("tramadol", "plain", _APAP),
    "zaldiar": Brand("tramadol", "plain", _APAP),
    "solpadol": Brand("codeine", "plain", _APAP),
    "kapake": Brand("codeine", "plain", _APAP),
    "zapain": Brand("codeine", "plain", _APAP),
    "codipar": Brand("codeine", "plain", _APAP),
    "tylex": Brand("codeine", "plain", _APAP),
    "panadeine": Brand("codeine", "plain", _APAP),
}

NOT_IN_FORMULARY: Final[frozenset[str]] = frozenset(
    # opioids
    "levomethadyl dezocine pethidine dihydrocodeine sufentanil remifentanil alfentanil "
    "butorphanol nalbuphine "
    "pentazocine opium diamorphine heroin propoxyphene dextropropoxyphene oliceridine levomethadone piritramide "
    "tilidine meptazinol nicomorphine ethylmorphine dextromoramide demerol dsuvia ultiva stadol nubain talwin darvon "
    "meptid co-codamol codamol dydramol remedeine paramol codaprin "
    "olinvyk belladonna-opium carfentanil ketobemidone "
    # benzodiazepines
    "quazepam clobazam clorazepate midazolam nitrazepam lormetazepam bromazepam "
    "remimazolam halazepam loprazolam flunitrazepam prazepam ketazolam tetrazepam brotizolam etizolam phenazepam "
    "tranxilium lexomil buccolam epistatus dormicum hypnovel noctamid loramet "
    "medazepam cloxazolam nordazepam delorazepam clotiazepam loflazepate mexazolam bentazepam "
    "halcion prosom dalmane doral onfi sympazan tranxene versed nayzilam byfavo mogadon lexotan frisium rohypnol "
    # gabapentinoids
    "mirogabalin enacarbil horizant tarlige".split()
)
"""Drugs of the three classes without a row in drugs.csv. Such a drug makes the history incomplete and is reported."""

PARTNERS: Final[frozenset[str]] = frozenset(
    "acetaminophen paracetamol apap tylenol aspirin asa ibuprofen naloxone naltrexone carisoprodol butalbital caffeine "
    "celecoxib clidinium amitriptyline guaifenesin chlorpheniramine pseudoephedrine homatropine promethazine "
    "phenylephrine brompheniramine triprolidine diclofenac dexketoprofen".split()
)
"""Combination partners. With a partner, a dose in mg does not tell which ingredient it refers to."""

ACETAMINOPHEN: Final = frozenset({"acetaminophen", "paracetamol", "apap", "tylenol"})

_FORMS: Final[tuple[tuple[str, str], ...]] = (
    (
        "other",
        r"inject|infusion|intraven|intramusc|subcutan|intrathecal|epidural|implant|rectal|suppositor|nasal|spray|"
        r"lozenge|transmucosal|inhal|topical|ophthalmic|\bcream\b|\bgel\b|ointment|syringe|\biv\b|\bvial\b|"
        r"cartridge|ampul|auto-?injector|\bpack\b|\bkit\b",
    ),
    ("patch", r"transdermal|\bpatch(es)?\b"),
    ("buccal", r"\bbuccal\b"),
    ("sublingual", r"\bsublingual\b|\bsl\b"),
    (
        "ER",
        r"(extended|prolonged|sustained|modified|controlled|slow)[- ]?release|\b(er|xr|sr|cr|mr|xl|retard)\b|"
        r"\b(12|24) ?(h|hr|hour)\b|gastroretentive",
    ),
    (
        "plain",
        r"\b(tab(let)?s?|cap(sule)?s?|oral|solution|syrup|elixir|suspension|liquid|concentrate|odt|"
        r"disintegrating|ir)\b|immediate[- ]release",
    ),
)


def form_of(text: str) -> str:
    """The form that a text names, the most specific word first; empty if it names none."""
    lower = text.lower()
    return next((form for form, pattern in _FORMS if re.search(pattern, lower)), "")


def stem(token: str) -> str:
    """Stem of a name, equal across languages: morphine, Morphin and morfina have one stem."""
    return re.sub(r"[aeo]+$", "", token.lower().replace("ph", "f").replace("y", "i").replace("k", "c"))
