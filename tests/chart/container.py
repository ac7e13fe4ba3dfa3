"""Runs one container as a kubelet would, without one: the image's tree as a root that nobody can write to, ConfigMaps and Secrets
mounted into it, user 65532 without privileges or a way to gain some.

    unshare --mount -- python3 container.py SPEC

SPEC is a JSON file: `tree`, `mounts` (folder by place in the tree), `args`, `env`.
"""

import ctypes
import json
import os
import subprocess
import sys

USER = 65532
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def prctl(option, value):
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def main(path):
    with open(path) as file:
        spec = json.load(file)
    tree = spec["tree"]
    mount("--make-rprivate", "/")
    mount("--bind", tree, tree)
    for place, folder in spec["mounts"].items():
        mount("--bind", "--options", "ro", folder, tree + place)
    mount("--rbind", "/dev", tree + "/dev")
    mount("--types", "proc", "proc", tree + "/proc")
    mount("--options", "remount,bind,ro", tree)
    os.chroot(tree)
    os.chdir("/")
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    # Whatever becomes of the test, nothing stays behind.
    prctl(PR_SET_PDEATHSIG, 9)
    os.execve("/usr/bin/millrace", ["/usr/bin/millrace", *spec["args"]], spec["env"])


main(sys.argv[1])
