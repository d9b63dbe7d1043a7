# sh shim.sh DIRECTORY COMMAND...: begins one run and records how it ended, whoever is watching.
# fd 3: the run file, for us alone; the shell's own messages ("Killed") go there too.
# fd 4: its lock, which the service and all it starts inherit: held means that one of them lives.
# A foreground child keeps its signals; the traps keep us alive when the whole group is signalled.
trap : HUP INT QUIT ABRT PIPE ALRM TERM USR1 USR2
echo "shim $$" >&3
exec 5>&2 2>&3
unset OLDPWD
(
    if cd -P /proc/self 2>/dev/null; then
        nexus_shim_self=${PWD#/proc/}
    else
        nexus_shim_self=$(exec sh -c 'echo "$PPID"')
    fi
    cd -- "$1" || exit 126
    shift
    echo "start $nexus_shim_self" >&3
    unset OLDPWD
    exec 2>&5 3>&- 5>&-
    exec "$@"
)
nexus_shim_status=$?
echo "exit $nexus_shim_status" >&3
exit "$nexus_shim_status"
