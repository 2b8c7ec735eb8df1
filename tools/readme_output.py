"""Put real output into the README: the demo's table, the figures of bench/RESULTS.md, and the sum of docs/peers.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
_HEADLINES = ("start-up and one small file", "4 GiB safetensors and 2 GiB torch zip", "remote")


def demo() -> str:
    """Return what `make demo` prints for the malicious repository."""
    target = ROOT / "build" / "demo"
    subprocess.run([sys.executable, str(ROOT / "fixtures" / "demo.py"), str(target)], check=True)
    command = [sys.executable, "-m", "aibom", "scan", str(target / "malicious")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return "```\n$ aibom scan build/demo/malicious\n" + result.stdout.rstrip() + "\n```"


def figures() -> str:
    """Return the tables of the headline benchmarks as they stand in RESULTS.md."""
    text = (ROOT / "bench" / "RESULTS.md").read_text()
    parts = re.split(r"^## ", text, flags=re.MULTILINE)
    chosen = [part.strip() for part in parts[1:] if part.startswith(_HEADLINES)]
    stamp = next((line for line in parts[0].splitlines() if line.startswith("On ")), "")
    return stamp + "\n\n" + "\n\n".join(part.replace("\n\n", ":\n\n", 1) for part in chosen)


def peers() -> str:
    """Return the sum over all cases of the comparison with other scanners, and what it is a sum of."""
    text = (ROOT / "docs" / "peers.md").read_text()
    cases = next(line for line in text.splitlines() if " hostile and " in line)
    table = text.partition("## Sum\n")[2].partition("\n## ")[0].strip()
    return f"{cases}\n\n{table}"


def main() -> None:
    """Replace what stands between the marks."""
    path = ROOT / "README.md"
    text = path.read_text()
    for name, content in (("demo", demo()), ("peers", peers()), ("bench", figures())):
        pattern = re.compile(rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)", re.DOTALL)
        text = pattern.sub(lambda match, content=content: f"{match[1]}{content}\n{match[2]}", text)
    path.write_text(text)


if __name__ == "__main__":
    main()
