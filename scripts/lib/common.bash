# Sourced by the scripts of this folder: where the repository is, and how they speak.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SCRIPT=scripts/${0##*/}
readonly ROOT SCRIPT
# Tools of administrators (losetup, mkfs) are not on every user's path.
export PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s: %s\n' "$SCRIPT" "$*"; }
die() { printf '%s: %s\n' "$SCRIPT" "$*" >&2; exit 1; }
wrong_use() { printf '%s: %s\nSee %s --help\n' "$SCRIPT" "$*" "$SCRIPT" >&2; exit 2; }
# The comment at the top of the calling script is its help text.
print_help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }
