# sh witness.sh FOLDER KIND: a service that tells in FOLDER/told when it begins and ends, and whether it is alone.
# KIND: quiet lives until it is asked to end, flaky ends by itself, late takes its time to end when asked.
folder=$1 kind=$2 me="$NEXUS_INSTANCE $NEXUS_RUN"
exec 9>>"$folder/$NEXUS_INSTANCE.alone"
flock -n 9 || echo "twice $me" >>"$folder/told"
echo "began $me" >>"$folder/told"
case $kind in
quiet) exec sleep 1000000 ;;
late)
    trap 'sleep 0.05; echo "ended $me 0" >>"$folder/told"; exit 0' TERM
    sleep 1000000 9>&- &
    wait
    ;;
flaky)
    sleep "0.$((NEXUS_RUN % 3))$((NEXUS_RUN % 10))"
    if [ $((NEXUS_RUN % 5)) = 0 ]; then
        echo "ended $me KILL" >>"$folder/told"
        kill -9 $$
    fi
    echo "ended $me 3" >>"$folder/told"
    exit 3
    ;;
esac
