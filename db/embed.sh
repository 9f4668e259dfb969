#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: embed.sh FILE... - writes C: every migration's number, name and text, in the order of the numbers.
set -eu

echo '/* Made by db/embed.sh from the migrations beside it. */'
echo '#include "store/migrate.h"'
echo
echo 'const struct migration migrations[] = {'
for file in "$@"; do
    base=${file##*/}
    base=${base%.sql}
    number=$(printf '%s\n' "${base%%-*}" | sed 's/^0*//')
    printf '    { %s, "%s",\n' "$number" "${base#*-}"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/      "/' -e 's/$/\\n"/' "$file"
    echo '    },'
done
echo '    { 0, NULL, NULL }'
echo '};'
