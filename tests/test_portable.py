"""Nothing in the package asks for what Windows lacks; what it looks for first (`hasattr`) may be missing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import spice_select

FILES = sorted(Path(spice_select.__file__).parent.rglob("*.py"))
MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}
CALLS = {
    *("os.fork", "os.forkpty", "os.killpg", "os.kill", "os.getuid", "os.geteuid", "os.getpgid", "os.setsid", "os.nice"),
    *("os.mkfifo", "os.statvfs", "os.sysconf", "os.uname", "os.chown", "os.getloadavg", "os.rename"),
    "os.sched_getaffinity",
    *("signal.SIGKILL", "signal.SIGALRM", "signal.SIGUSR1", "signal.SIGHUP", "signal.alarm", "signal.setitimer"),
}
KNOWN = {("atomic.py", "os.rename"), ("threads.py", "os.sched_getaffinity"), ("locks.py", "fcntl")}
"""A folder is renamed to a name that was just freed; processors are counted otherwise where there is no affinity; on
Windows a lock is looked at by taking it alone."""


def asked_for(tree: ast.AST) -> Iterator[str]:
    """Modules that are imported, and attributes of modules as they are written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def test_no_module_asks_for_what_windows_lacks() -> None:
    found = {
        (path.name, name)
        for path in FILES
        for name in asked_for(ast.parse(path.read_text(encoding="utf-8")))
        if name in MODULES | CALLS
    }
    assert found == KNOWN
