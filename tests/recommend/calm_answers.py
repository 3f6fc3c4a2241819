"""Answers to the questions before a reduction, all without alarm, for the tests of recommendations."""

CALM_ANSWERS = dict.fromkeys(
    (
        "suicidal_intent",
        "crisis_message",
        "unresponsive",
        "blue_lips",
        "gurgling_breath",
        "vomiting_24h",
        "unable_fluids_h",
        "seizure",
        "hallucination",
        "confusion",
        "restarted_at_old_dose",
        "no_bowel_movement_days",
        "abdominal_distension",
        "pregnant",
    ),
    0.0,
) | {"patient_agreed_to_taper": 1.0, "naloxone_at_home": 1.0, "opioid_use_days": 2000.0}
