# shellcheck shell=bash
# HL_CARRIER=link: the nodes of node.bash know each other by links and by nothing else.  Their host names are
# those of the tests, found by libnss-wrapper; one authority has signed all.  Nothing replicates but what one of
# two nodes has subscribed to, as over NATS; and any may bring what others wrote.

load "$HL_SRC/test/functional/certs.bash"

node_config()
{
	local at

	[ -z "$(LD_PRELOAD=libnss_wrapper.so true 2>&1)" ] || {
		echo "there is no libnss_wrapper.so: packaging/install-deps" >&2
		return 1
	}
	[ -d "$HL_T/ca.links" ] || authority links
	certificate links "$1" serverAuth,clientAuth "DNS:$1"
	at=$(stat -c %Y "$HL_T/hosts" 2>/dev/null) || at=$(date +%s)
	echo "$(node_address "$1") $1" >>"$HL_T/hosts"
	# The wrapper looks at its time, in whole seconds, for whether to read it again.
	touch -d "@$((at + 1))" "$HL_T/hosts"
	cat <<-END
	rootPath: $(root "$1")
	clustering:
	  enabled: false
	  requestTimeout: 3000
	  statusInterval: 500
	replication:
	  hostname: $1
	  securePort: $(node_address "$1"):$(port "$1" link)
	  databases: []
	  consent: false
	  relays: ["*"]
	  enableRootCAs: false
	  tls:
	    certificate: $HL_T/ca.links/$1.pem
	    privateKey: $HL_T/ca.links/$1.key
	    certificateAuthority: $HL_T/ca.links/ca.pem
	operationsApi:
	  network:
	    host: 127.0.0.1
	    port: $(port "$1" api)
	storage:
	  cacheSize: 8388608
	threads: 1
	END
}

node_address()
{
	echo 127.0.0.1
}

node_environment()
{
	printf '%s\n' "LD_PRELOAD=libnss_wrapper.so" "NSS_WRAPPER_HOSTS=$HL_T/hosts" NSS_WRAPPER_DISABLE_DEEPBIND=1 \
	    REPLICATION_CONSENT=false 'REPLICATION_RELAYS=["*"]'
}

node_ready()	# others can link with it
{
	[ -n "$($(within "$1") ss -Hltn "sport = $(port "$1" link)")" ]
}

node_pid()	# what carries is leafd, whichever of the servers a test has in mind
{
	case $2 in
	run) cat "$HL_T/nodes/$1/run.pid" ;;
	hub | leaf) cat "$(root "$1")/run/leafd.pid" ;;
	*) cat "$(root "$1")/run/$2.pid" ;;
	esac
}

route()		# route A B: each is a member for the other
{
	set_link_route "$1" "$2"
	set_link_route "$2" "$1"
}

set_link_route()
{
	ok "$1" "{\"operation\":\"cluster_set_routes\",\"routes\":[
	    {\"hostname\":\"$2\",\"port\":$(port "$2" link)}]}"
}

in_network()	# in_network NODE OTHER...: exactly these are linked with it, however their tables do
{
	local want

	want=$(printf '%s\n' "${@:2}" | sort | paste -sd ' ')
	[ "$(ask "$1" '{"operation":"cluster_status"}' |
	    jq -r '[.connections[] | select(.status | . != "closed" and . != "refused").name] | sort | join(" ")')" = "$want" ]
}

mesh()		# mesh NODE...: each has a route to each
{
	local n rest=("$@")

	for n; do
		rest=("${rest[@]:1}")
		for other in "${rest[@]}"; do
			route "$n" "$other"
		done
	done
	for n; do
		wait_until 20 in_network "$n" $(printf '%s\n' "$@" | grep -vx "$n")
	done
}
