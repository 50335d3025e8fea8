#!/usr/bin/env bash
# Runs jobs, several at once, and says of each when it is over.
#   spec/support/pool.sh FOLDER JOBS AT_ONCE
# Job N is the shell script FOLDER/N.sh; its output goes to FOLDER/N.log, and `N STATUS` is printed at its end.
#
# Each job is a process group of its own, so that nothing of it stays when this program is told to end. That takes
# SIGKILL: Lua makes an error in the running test of the first Ctrl-C, and goes on with the next one.
set -m
folder=$1 jobs=$2 at_once=$3

stop() {
  for group in $(jobs -p); do kill -KILL -- "-$group"; done 2>/dev/null
  exit 1
}
trap stop INT TERM HUP

# Nobody hears us any more if a job died of a broken pipe.
one_ends() {
  wait -n
  [ $? != 141 ] || stop
}

for ((n = 1; n <= jobs; n++)); do
  ((n <= at_once)) || one_ends
  { sh "$folder/$n.sh" >"$folder/$n.log" 2>&1 </dev/null; echo "$n $?"; } &
done
for ((n = 1; n <= jobs && n <= at_once; n++)); do one_ends; done
