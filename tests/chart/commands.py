"""Commands of `millrace` that the README and the alerts name are there, with the options they name. `commands.py ROOT`, with MILLRACE
(the binary) around it; prints those that are not."""

import os
import pathlib
import re
import subprocess
import sys

# Inline code, and lines of a block that name a token.
NAMED = re.compile(r"`millrace ([^`]+)`|MILLRACE_TOKEN=\S+ millrace (.+)$", re.MULTILINE)


def wrong(text):
    for inline, line in sorted(set(NAMED.findall(text))):
        words = re.sub(r"--server \S+", "", inline or line).split()
        subcommands = []
        for word in words:
            if not re.fullmatch(r"[a-z][a-z-]+", word):
                break
            subcommands.append(word)
        options = [word for word in words if word.startswith("--")]
        help_text = ""
        # What follows the last subcommand is an argument or the rest of a sentence.
        for count in (2, 1):
            asked = subprocess.run([os.environ["MILLRACE"], *subcommands[:count], "--help"], capture_output=True, text=True)
            if asked.returncode == 0:
                help_text = asked.stdout
                break
        if not help_text:
            yield f"millrace {' '.join(words)}: no such command"
        for option in options:
            if option.split("=")[0] not in help_text:
                yield f"millrace {' '.join(words)}: no option {option}"


root = pathlib.Path(sys.argv[1])
texts = [root / "helm/millrace/README.md", root / "deploy/monitoring/alerts.yaml", root / "deploy/compose.yaml"]
complaints = [f"{file.name}: {words}" for file in texts for words in wrong(file.read_text())]
print("\n".join(complaints))
sys.exit(bool(complaints))
