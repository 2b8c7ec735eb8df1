"""The rules that any reader of pickles may report."""

from __future__ import annotations

from aibom.findings import Rule, Severity, Subject

_PICKLE_DOC = "https://docs.python.org/3/library/pickle.html"
_ASK = "Do not load it. Ask the publisher for safetensors weights, or load it where nothing can be harmed."

DANGEROUS_IMPORT = Rule(
    id="pickle-dangerous-import",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.CRITICAL,
    summary="Loading this file runs code or reaches out of it",
    explanation=(
        "A pickle is a program for a small machine that can import any callable of Python and call it. This one "
        "imports something that can run commands or code, import modules, read or write files, open connections, or "
        "fetch attributes by name. No file that only holds weights needs that."
    ),
    help=_ASK,
    references=(_PICKLE_DOC,),
    cwes=(502,),
)
UNKNOWN_CALL = Rule(
    id="pickle-unknown-call",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="Loading this file calls something that nobody has looked at",
    explanation=(
        "While it is loaded, the pickle calls a function, method or class that is not on the list of those known to "
        "do no harm. What it does depends on code that is not in the file."
    ),
    help="Find out what is called and whether you trust the package it is from, or ask for safetensors weights.",
    references=(_PICKLE_DOC,),
    cwes=(502,),
)
UNKNOWN_IMPORT = Rule(
    id="pickle-unknown-import",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="Loading this file imports a package that is not known",
    explanation=(
        "The pickle refers to a class or function of a package that this tool has no knowledge of. Importing a package "
        "runs its code; whether that is harmless depends on what is installed under that name."
    ),
    help="Check which package provides it and whether you trust it.",
    references=(_PICKLE_DOC,),
    cwes=(502, 829),
)
MALFORMED = Rule(
    id="pickle-malformed",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The pickle is broken",
    explanation=(
        "The unpickler runs a pickle while it reads it, so whatever stands before the break has run by the time the "
        "error is seen. Broken streams are a known way to get past scanners that give up at the first fault."
    ),
    help="Fetch the file again and compare its digest with the publisher's; do not load it if it stays broken.",
    references=("https://arxiv.org/abs/2508.19774",),
    cwes=(502,),
)
PRESENT = Rule(
    id="pickle-present",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.INFO,
    summary="The file is a pickle, or holds one",
    explanation=(
        "Pickles can run code when they are loaded. Nothing dangerous was found in this one, but a format that can "
        "only hold data leaves nothing to look for."
    ),
    help="Prefer safetensors for weights, skops for scikit-learn models, or load with `weights_only=True`.",
    references=(_PICKLE_DOC, "https://huggingface.co/docs/hub/security-pickle"),
    cwes=(502,),
)
OBFUSCATED = Rule(
    id="pickle-obfuscated",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.CRITICAL,
    summary="The pickle hides what it imports",
    explanation=(
        "The name of what is imported is put together while the pickle is loaded, from pieces, by decoding, or by "
        "calls. No library writes such pickles; the purpose is to hide the name from those who look for it."
    ),
    help=_ASK,
    references=(_PICKLE_DOC,),
    cwes=(502, 506),
)
STATE_HOOK = Rule(
    id="pickle-state-hook",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The pickle gives an object a method of its own choice",
    explanation=(
        "State is set under a name that Python calls by itself (such as `__setstate__`), or on an imported class or "
        "module, so that later steps of the load run what the file put there."
    ),
    help=_ASK,
    references=(_PICKLE_DOC,),
    cwes=(502, 915),
)
EMBEDDED_CODE = Rule(
    id="pickle-embedded-code",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The pickle carries code of its own",
    explanation=(
        "Functions or classes are stored in the file as bytecode (as cloudpickle and dill do) and are rebuilt when it "
        "is loaded. They run when the object is used, some when it is loaded; nobody has looked at what they do."
    ),
    help="Ask for the source of these functions, or for a format without code.",
    references=(_PICKLE_DOC,),
    cwes=(502, 829),
)
EXTENSION_CODE = Rule(
    id="pickle-extension-code",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The pickle imports by number",
    explanation=(
        "An extension code stands for a global that the loading program has registered in `copyreg`. What it is can't "
        "be told from the file."
    ),
    help="Find out what the loading program registers under the number, or do not load the file.",
    references=(_PICKLE_DOC,),
    cwes=(502,),
)
TRAILING = Rule(
    id="pickle-trailing-data",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="There are bytes after the end of the pickle",
    explanation=(
        "A pickle ends at its STOP opcode; what comes after is not read by an ordinary load, and is a place to hide "
        "data or a second pickle."
    ),
    help="Find out what the bytes are; compare the file with the publisher's.",
    references=(_PICKLE_DOC,),
    cwes=(506,),
)
NESTED = Rule(
    id="pickle-nested",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.LOW,
    summary="A pickle loads another one that it holds as bytes",
    explanation="The inner pickle was looked at like the outer one; its findings are reported with this file.",
    help="Prefer a file without nested pickles.",
    references=(_PICKLE_DOC,),
    cwes=(502,),
)
CARRIED = Rule(
    id="pickle-carried",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="The pickle carries another one that would act if something loaded it",
    explanation=(
        "Bytes or a text that the pickle holds as data are a pickle themselves, and that one imports something "
        "dangerous. Nothing in the file loads it; a class that loads its own bytes, or the program that uses the "
        "model, may."
    ),
    help="Find out what the data are for, and do not load the file before you know what reads them.",
    references=(_PICKLE_DOC,),
    cwes=(502, 506),
)
SECOND_OPINION = Rule(
    id="pickle-second-opinion",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="Another analysis sees a danger that this tool's own does not",
    explanation=(
        "Files with findings are also read by fickling. It names an import or call as dangerous that this tool's "
        "table does not call dangerous."
    ),
    help="Look at the import that is named.",
    references=("https://github.com/trailofbits/fickling",),
    cwes=(502,),
)

RULES = (
    DANGEROUS_IMPORT, UNKNOWN_CALL, UNKNOWN_IMPORT, MALFORMED, PRESENT, OBFUSCATED, STATE_HOOK, EMBEDDED_CODE,
    EXTENSION_CODE, TRAILING, NESTED, CARRIED, SECOND_OPINION,
)  # fmt: skip
