"""Every rule, by subject, for `explain`, the docs, SARIF and the verdict of a report."""

from __future__ import annotations

from collections.abc import Mapping

from aibom import inventory
from aibom.assessors import ignores, policy
from aibom.containers import rules as containers
from aibom.findings import Rule
from aibom.inspectors import hdf5_files, keras_config, onnx_judgements, pickle_rules, protocol
from aibom.integrity import listed
from aibom.integrity import rules as integrity
from aibom.resolvers import lineage, model_card, repository

BY_SUBJECT: Mapping[str, tuple[Rule, ...]] = {
    "code on load": (*pickle_rules.RULES, *keras_config.RULES, *onnx_judgements.RULES, *hdf5_files.RULES),
    "containers": containers.RULES,
    "files": (*inventory.RULES, *listed.RULES, *protocol.RULES),
    "integrity": integrity.RULES,
    "documents": (*model_card.RULES, *repository.RULES),
    "lineage and licences": lineage.RULES,
    "decisions of the user": (*policy.RULES, *ignores.RULES),
}

RULES: tuple[Rule, ...] = tuple(rule for rules in BY_SUBJECT.values() for rule in rules)

# What the last line of a report rests on, in the order in which it is asked.
CODE_ON_LOAD = frozenset(rule.id for rule in BY_SUBJECT["code on load"])
INTEGRITY = frozenset(rule.id for rule in BY_SUBJECT["integrity"])
UNDECIDED = frozenset(rule.id for subject in ("containers", "files") for rule in BY_SUBJECT[subject])
