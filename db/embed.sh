#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# db/embed.sh FILE.sql... writes C: every migration's number, name and text, in the order of the numbers.
set -eu

echo '/* Made by db/embed.sh from db/sqlite/; not to be changed by hand. */'
echo '#include "store/sqlite/migrations.h"'
echo 'const struct migration migrations[] = {'
for file in "$@"; do
    base=$(basename "$file" .sql)
    number=$(printf '%s' "$base" | sed 's/-.*//; s/^0*//')
    printf '    { %s, "%s",\n' "$number" "$base"
    sed -e '/^--/d' -e '/^$/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/      "/' -e 's/$/\\n"/' "$file"
    echo '    },'
done
echo '    { 0, 0, 0 }'
echo '};'
