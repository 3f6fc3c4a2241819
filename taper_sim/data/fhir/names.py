"""Names that identify a product: other drugs of the classes, combination partners, forms. Imports nothing.

The module holds no doses and no strengths. A drug of the three classes that is missing from the lists would be read as
a drug of another class, so the lists are long on purpose. Source: RxNorm ingredient and brand names, from general
knowledge; not reviewed. Brands are rows of brands.csv (:mod:`taper_sim.data.brands`).
"""

import re
from typing import Final

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
