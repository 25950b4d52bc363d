#!/usr/bin/env bats
# Backups of nodes at work, and what comes of them.

load node.bash

bats_require_minimum_version 1.5.0

start_nodes()
{
	node_start n1
	node_start n2
	mesh n1 n2
	make_table n1 t
	make_table n1 tens
	make_table n1 fat
	subscribe n1 n2 t
	ok n1 '{"operation":"add_role","role":"plain","permission":{"dev":{"tables":{"t":{"read":true,"insert":false,"update":false,"delete":false,"attribute_permissions":[]}}}}}'
	ok n1 '{"operation":"add_user","role":"plain","username":"plain","password":"plain-secret","active":true}'
	# More than what a connection holds on its way: sixteen times 2 MB that do not compress.
	for i in {1..16}; do
		{
			printf '{"operation":"insert","database":"dev","table":"fat","records":['
			head -c 1500000 /dev/urandom | base64 -w 1000 |
			    awk -v i="$i" '{printf("%s{\"id\":\"%d.%d\",\"x\":\"%s\"}", (NR > 1 ? "," : ""), i, NR, $0)}'
			printf ']}'
		} >"$HL_T/fat"
		ok n1 "@$HL_T/fat"
	done
	rm "$HL_T/fat"
}

cli()
{
	"$HL_CLI" -c "$HL_T/nodes/$1/hubleaf.yaml" "${@:2}"
}

copies()	# what a backup keeps on disk while it is sent
{
	echo "$(root "$1")/database/backup"
}

no_copy()
{
	[ ! -e "$(copies "$1")" ]
}

slow_backup()	# slow_backup NODE: read so slowly that it does not end; $slow is its pid
{
	curl -s -o "$HL_T/slow" --limit-rate 400K -u "$HL_USER:$HL_PASSWORD" -H 'Content-Type: application/json' \
	    -d '{"operation":"get_backup"}' "http://127.0.0.1:$(port "$1" api)/" &
	slow=$!
	wait_until 10 test -d "$(copies "$1")/store"
}

memory()	# memory NODE: of opsd, in kB
{
	awk '/^VmRSS/ {print $2}' "/proc/$(node_pid "$1" opsd)/status"
}

last_job()	# last_job NODE: the newest backup's row
{
	ask "$1" '{"operation":"search_jobs_by_start_date","from_date":"2020-01-01","to_date":"2090-01-01"}' |
	    jq -c '[.[] | select(.type == "get_backup")] | last'
}

last_job_is()	# last_job_is NODE JQ
{
	last_job "$1" | jq -e "$2"
}

unpack()	# unpack TAR NODE: in the place of its folder; the node is stopped
{
	rm -rf "$(root "$2")"
	mkdir "$(root "$2")"
	tar -xpf "$1" -C "$(root "$2")"
}

@test "a backup is of the whole node, for super users" {
	refused n1 400 '{"operation":"get_backup","database":"dev"}' "'database' is not allowed"
	refused n1 400 '{"operation":"get_backup","schema":"dev"}' "'schema' is not allowed"
	refused n1 400 '{"operation":"get_backup","table":"t"}' "'table' is not allowed"
	refused n1 400 '{"operation":"get_backup","tables":["t"]}' "export_local"
	refused n1 400 '{"operation":"get_backup","keys":"yes"}' "'keys' must be a boolean"
	HL_USER=plain HL_PASSWORD=plain-secret refused n1 403 '{"operation":"get_backup"}'
	no_copy n1
}

@test "what is in it" {
	code=$(curl -s -o "$HL_T/a.tar" -D "$HL_T/head" -w '%{http_code}' -u "$HL_USER:$HL_PASSWORD" \
	    -H 'Content-Type: application/json' -d '{"operation":"get_backup"}' "http://127.0.0.1:$(port n1 api)/")
	[ "$code" = 200 ]
	grep -qi '^content-type: application/x-tar' "$HL_T/head"
	grep -qi "^content-length: $(stat -c %s "$HL_T/a.tar")" "$HL_T/head"
	grep -qi '^content-disposition: attachment; filename="n1-[0-9TZ]*\.tar"' "$HL_T/head"
	tar -tf "$HL_T/a.tar" >"$HL_T/list"
	[ "$(head -n 1 "$HL_T/list")" = backup.json ]
	grep -qx database/CURRENT "$HL_T/list"
	grep -qx keys/node.key "$HL_T/list"
	tar -xOf "$HL_T/a.tar" backup.json | jq -e '.format == 1 and .node_name == "n1" and
	    (.node_id | length == 32) and .keys and .incarnation > 0 and (.time | fromdateiso8601 > 0)'
	id=$(sed -n 's/^job-id: \([-0-9a-f]*\).*/\1/Ip' "$HL_T/head")
	wait_until 5 last_job_is n1 ".id == \"$id\" and .status == \"COMPLETE\""
	last_job_is n1 '.progress == {"bytes":'"$(stat -c %s "$HL_T/a.tar")"',"total_bytes":'"$(stat -c %s "$HL_T/a.tar")"'}'
	wait_until 5 no_copy n1
	# without what is secret of the node alone
	hl_post n1 '{"operation":"get_backup","keys":false}' -o "$HL_T/b.tar"
	run -1 grep keys/ <(tar -tf "$HL_T/b.tar")
	tar -xOf "$HL_T/b.tar" backup.json | jq -e '.keys == false'
}

@test "a slow reader holds up nobody; one that goes away leaves nothing" {
	before=$(memory n1)
	slow_backup n1
	refused n1 409 '{"operation":"get_backup"}' 'Another backup'
	load_rows n1 t "$HL_T/slow.ids" -k slow -n 2000 -c 16
	holds_all n1 t "$HL_T/slow.ids"
	kill -0 $slow
	wait_until 10 last_job_is n1 '.status == "IN_PROGRESS" and .progress.bytes > 0 and
	    .progress.bytes < .progress.total_bytes'
	# what is on its way is all that memory holds
	# (a sanitizer keeps what was freed)
	ldd "$HL_BUILD/opsd/opsd" | grep -q libasan || [ "$(($(memory n1) - before))" -lt 20000 ]
	kill $slow
	wait_until 10 no_copy n1
	wait_until 10 last_job_is n1 '.status == "ERROR" and (.message | test("client went away"))'
}

@test "one after the other: each begins as soon as the one before it is over" {
	local url i

	url=http://127.0.0.1:$(port n2 api)/
	for i in {1..40}; do
		printf 'url = %s\noutput = /dev/null\n' "$url"
	done >"$HL_T/forty"
	run --separate-stderr curl -s -K "$HL_T/forty" -u "$HL_USER:$HL_PASSWORD" -H 'Content-Type: application/json' \
	    -d '{"operation":"get_backup"}' -w '%{http_code}\n'
	[ "$(sort <<<"$output" | uniq -c | tr -s ' ')" = " 40 200" ]
	wait_until 10 no_copy n2
}

@test "what a node that was killed leaves goes at its start" {
	slow_backup n1
	node_kill n1 opsd KILL
	wait_until 20 node_ready n1
	no_copy n1
	last_job_is n1 '.status == "ERROR" and (.message | test("restarted"))'
	kill $slow 2>/dev/null || :
}

@test "a node that stops does not wait for a slow reader" {
	slow_backup n1
	node_kill n1 opsd TERM
	wait_until 15 node_ready n1
	no_copy n1
	last_job_is n1 '.status == "ERROR" and (.message | test("stopped"))'
	kill $slow 2>/dev/null || :
}

@test "a full disk: a clear error, and nothing left" {
	ok n1 '{"operation":"set_configuration","storage_reserve":1000000000000000}'
	refused n1 507 '{"operation":"get_backup"}' 'storage.reserve'
	no_copy n1
	ok n1 '{"operation":"set_configuration","storage_reserve":null}'
	# a folder that cannot be made
	rm -rf "$(copies n1)"
	mkdir "$(copies n1)"
	mount -t tmpfs none "$(copies n1)" 2>/dev/null || skip 'cannot mount'
	why=$(refused n1 500 '{"operation":"get_backup"}' 'There can be no backup') || :
	umount "$(copies n1)"
	echo "$why"
	[ -z "$why" ]
	hl_post n1 '{"operation":"get_backup"}' -o "$HL_T/a.tar"
	tar -tf "$HL_T/a.tar" | grep -q database/CURRENT
}

@test "the command line: whole files or none" {
	cli n1 get_backup file="$HL_T/cli.tar" 2>"$HL_T/err"
	[ "$(tar -tf "$HL_T/cli.tar" | head -n 1)" = backup.json ]
	[ "$(stat -c %a "$HL_T/cli.tar")" = 600 ]
	grep -q "cli.tar: $(stat -c %s "$HL_T/cli.tar") bytes" "$HL_T/err"
	[ ! -e "$HL_T/cli.tar.part" ]
	wait_until 5 no_copy n1
	cli n1 get_backup keys=false >"$HL_T/cli2.tar"
	tar -tf "$HL_T/cli2.tar" | grep -q database/CURRENT
	# refused: the file that is there stays
	was=$(md5sum <"$HL_T/cli.tar")
	run cli n1 get_backup keys=maybe file="$HL_T/cli.tar"
	[ "$status" = 1 ]
	[[ $output == *"'keys' must be a boolean"* ]]
	[ "$(md5sum <"$HL_T/cli.tar")" = "$was" ]
	run cli n1 get_backup file=/nonexistent/x.tar
	[ "$status" = 1 ]
	# cut off
	web=$(hl_ports)
	"$HL_BUILD/test/functional/serve" "$web" &
	pid=$!
	wait_until 5 curl -s -o /dev/null "http://127.0.0.1:$web/csv"
	run cli n1 get_backup target="http://127.0.0.1:$web" file="$HL_T/cut.tar"
	kill $pid
	[ "$status" = 1 ]
	[[ $output == *"cut off"* ]]
	[ ! -e "$HL_T/cut.tar" ]
	[ ! -e "$HL_T/cut.tar.part" ]
}

@test "the command line: not onto a terminal; with a file, a terminal shows how far it is" {
	needs_terminal
	wait_until 5 no_copy n1
	run script -qec "'$HL_CLI' -c '$HL_T/nodes/n1/hubleaf.yaml' get_backup" /dev/null
	[ "$status" = 1 ]
	[[ $output == *"file=PATH"* ]]
	run script -qec "'$HL_CLI' -c '$HL_T/nodes/n1/hubleaf.yaml' get_backup file='$HL_T/cli.tar'" /dev/null
	[ "$status" = 0 ]
	[[ $output == *"backup  ["*"] "*"% "*" of "*" MB"* ]]
}

@test "a copy on its way says how far it is, and since when" {
	# beyond what the log has: rows are copied
	ok n1 '{"operation":"purge_stream","database":"dev","table":"fat","options":{"force":true}}'
	n=$(count n1 fat)
	since=$(date +%s%3N)
	subscribe n2 n1 fat false true 2020-01-01T00:00:00.000Z
	sub='.connections[0].subscriptions[] | select(.table == "fat")'
	# held as soon as it is seen, so that there is time to look
	until ask n2 '{"operation":"cluster_status"}' | jq -e "$sub | .state == \"copy\"" >/dev/null; do
		[ "$(date +%s%3N)" -lt $((since + 20000)) ]
	done
	node_kill n1 leafd STOP
	held=$(wait_until 10 ok n2 '{"operation":"cluster_status"}' "$sub | .state == \"copy\" and .rows_copied >= 0 and
	    .rows_copied < $n and .rows_total == $n and .since >= $since and .since < $since + 60000" 2>&1) || :
	cursors=$(ask n2 '{"operation":"system_information","attributes":["replication"]}')
	node_kill n1 leafd CONT
	echo "$held$cursors"
	[ -z "$held" ]
	jq -e ".replication.cursors[] | select(.table == \"fat\") | .rows_total == $n and .since >= $since" <<<"$cursors"
	wait_until 30 counts n2 fat "$n"
	wait_until 10 ok n2 '{"operation":"cluster_status"}' "$sub | .state == \"live\" and
	    (has(\"rows_copied\") or has(\"rows_total\") or has(\"since\") | not)"
}

@test "under load: each transaction is in it whole or not at all" {
	# ten rows a transaction, in every way and place that the store keeps rows
	for w in 1 2 3; do
		(
			for ((i = 0; i < 40; i++)); do
				records=$(printf "{\"id\":\"$w.%d\",\"n\":$i}," {0..9})
				ask n1 "{\"operation\":\"upsert\",\"database\":\"dev\",\"table\":\"tens\",\"records\":[${records%,}]}"
			done >"$HL_T/tens.$w"
		) &
	done
	wait_until 10 counts n1 tens 30
	for k in 1 2; do
		hl_post n1 '{"operation":"get_backup"}' -o "$HL_T/$k.tar"
		wait_until 5 no_copy n1
	done
	kill -0 %1 || kill -0 %2 || kill -0 %3	# the load was going on
	wait
	for k in 1 2; do
		node_make "alone$k" CLUSTERING_ENABLED=false
		unpack "$HL_T/$k.tar" "alone$k"
		node_run "alone$k"
		rows "alone$k" dev tens | jq -s -e 'length == 30 and
		    ([group_by(.id[0:1])[] | [.[].n] | unique | length == 1] | all)'
		node_stop "alone$k"
	done
	[ "$(cat "$HL_T"/tens.* | grep -o upserted_hashes | wc -l)" = 120 ]
}

token()		# token NODE: of the administrator's
{
	ask "$1" "{\"operation\":\"create_authentication_tokens\",\"username\":\"$HL_USER\",\"password\":\"$HL_PASSWORD\"}" |
	    jq -r .operation_token
}

@test "restore: a whole backup, or nothing" {
	bearer=$(token n1)
	cli n1 get_backup file="$HL_T/r.tar"
	run cli n1 restore file="$HL_T/r.tar"
	[ "$status" = 1 ]
	[[ $output == *"opsd runs"* ]]
	node_make fresh CLUSTERING_ENABLED=false
	# cut, of something else, with paths that lead elsewhere, later than we know
	head -c 5000000 "$HL_T/r.tar" >"$HL_T/half.tar"
	printf 'no tar\n' >"$HL_T/text.tar"
	tar -C "$HL_T/nodes" --format=ustar -cf "$HL_T/other.tar" n1/hubleaf.yaml
	mkdir "$HL_T/evil"
	tar -xf "$HL_T/r.tar" -C "$HL_T/evil" backup.json
	mkdir "$HL_T/evil/database"
	: >"$HL_T/evil/database/x"
	tar -C "$HL_T/evil" --format=ustar --transform 's,database/x,database/../../x,;s,^d,d,' -P -cf "$HL_T/evil.tar" backup.json database
	sed 's/"format": 1/"format": 9/' "$HL_T/evil/backup.json" >"$HL_T/evil/later"
	mv "$HL_T/evil/later" "$HL_T/evil/backup.json"
	tar -C "$HL_T/evil" --format=ustar -cf "$HL_T/later.tar" backup.json
	while read -r file what; do
		run cli fresh restore file="$HL_T/$file.tar"
		echo "$file: $output"
		[ "$status" = 1 ]
		[[ $output == *"$what"* ]]
		[ -z "$(ls -A "$(root fresh)")" ]
	done <<-'END'
	half is not whole
	text is not whole
	other is no backup
	evil does not belong
	later this version knows 1
	none No such file
	END
	cli fresh restore file="$HL_T/r.tar"
	[ "$(stat -c %a "$(root fresh)/keys/node.key")" = 600 ]
	[ "$(ls "$(root fresh)" | paste -sd ' ')" = "$([ ! -e "$(root n1)/settings.yaml" ] && echo database keys || echo database keys settings.yaml)" ]
	node_run fresh
	[ "$(count fresh fat)" = "$(count n1 fat)" ]
	HL_USER=plain HL_PASSWORD=plain-secret ok fresh '{"operation":"user_info"}' '.username == "plain"'
	# tokens of then hold
	curl -s -m 10 -H "Authorization: Bearer $bearer" -H 'Content-Type: application/json' \
	    -d '{"operation":"user_info"}' "http://127.0.0.1:$(port fresh api)/" | jq -e '.username == "admin"'
	node_stop fresh
}

@test "restore: what is there is moved aside, and nothing may run" {
	local root

	node_make again CLUSTERING_ENABLED=false
	root=$(root again)
	node_run again
	ok again '{"operation":"create_table","database":"dev","table":"of the life before","primary_key":"id"}'
	cli n1 get_backup file="$HL_T/again.tar"
	run cli again restore file="$HL_T/again.tar"
	[ "$status" = 1 ]
	[[ $output == *"opsd runs"* ]]
	node_stop again
	for daemon in hubd leafd; do	# one that is left alone
		echo 4711 >"$root/run/$daemon.pid"
		exec 7<"$root/run/$daemon.pid"
		flock -x 7
		run cli again restore file="$HL_T/again.tar"
		exec 7<&-
		[ "$status" = 1 ]
		[[ $output == *"$daemon runs (process 4711)"* ]]
	done
	# one that was ended before the store had its name: no start on an empty one
	mv "$root/database" "$HL_T/of-before"
	mkdir "$root/database.restore"
	run timeout 10 "$HL_BUILD/opsd/opsd" -c "$HL_T/nodes/again/hubleaf.yaml"
	[ "$status" != 0 ]
	[[ $output == *"run hubleaf restore again"* ]]
	mv "$HL_T/of-before" "$root/database"
	# a place that cannot get another name: nothing is moved
	if mount -t tmpfs none "$root/database" 2>/dev/null; then
		run cli again restore file="$HL_T/again.tar"
		umount "$root/database"
		[ "$status" = 1 ]
		[[ $output == *"a file system is mounted there"* ]]
		! ls -d "$root"/keys.before-* || return 1
	fi
	rm -rf "$root/database.restore"
	cli again restore file="$HL_T/again.tar"
	[ ! -e "$root/database.restore" ]
	ls -d "$root"/database.before-* "$root"/keys.before-*
	node_run again
	[ "$(count again fat)" = "$(count n1 fat)" ]
	refused again 404 '{"operation":"describe_table","database":"dev","table":"of the life before"}'
	node_stop again
}

@test "a node lost while it worked: restored, it has what any node has" {
	load_rows n1 t "$HL_T/lost.1" -k one -d 6 -c 8 -r 400 &
	load1=$!
	load_rows n2 t "$HL_T/lost.2" -k two -d 6 -c 8 -r 400 &
	load2=$!
	wait_until 10 eval '[ "$(count n1 t)" -gt 300 ]'
	cli n1 get_backup file="$HL_T/lost.tar"
	kill -0 $load1
	wait $load1 $load2
	insert n1 t '{"id":"after the backup"}'
	same_rows 20 t n1 n2
	node_stop n1
	rm -rf "$(root n1)"
	cli n1 restore file="$HL_T/lost.tar"
	# begins before the node answers, and ends when it has everything
	timeout 60 "$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" status wait=true >"$HL_T/status" &
	waits=$!
	node_run n1
	route n1 n2
	wait $waits
	grep -q 'n2  open  .* live.*  lag ' "$HL_T/status"
	has_row n1 t '"after the backup"'
	[ "$(count n1 t)" = "$(count n2 t)" ]
	same_rows 30 t n1 n2
	holds_all n1 t "$HL_T/lost.1" "$HL_T/lost.2"
	holds_all n2 t "$HL_T/lost.1" "$HL_T/lost.2"
	# users and roles
	HL_USER=plain HL_PASSWORD=plain-secret ok n1 '{"operation":"user_info"}' '.username == "plain"'
	HL_USER=plain HL_PASSWORD=plain-secret refused n1 403 '{"operation":"insert","database":"dev","table":"t","records":[{"id":"x"}]}'
	# and it goes on
	load_rows n1 t "$HL_T/lost.3" -k three -n 200 -c 4
	insert n2 t '{"id":"last"}'
	wait_until 20 has_row n1 t '"last"'
	same_rows 30 t n1 n2
	holds_all n2 t "$HL_T/lost.3"
}

warns_of()	# warns_of NODE [KIND]: of what cluster_status warns
{
	[ "$(ask "$1" '{"operation":"cluster_status"}' | jq -r '[.warnings[].kind] | join(" ")')" = "${2:-}" ]
}

@test "what sealed the cluster password is damaged, removed, or not in the backup" {
	local key

	node_start sealed
	key=$(root sealed)/keys/node.key
	cli sealed get_backup keys=false file="$HL_T/sealed.tar"
	node_stop sealed
	printf 'half of it' >"$key"
	HL_NO_USERS=1 node_run sealed
	[ "$(cat "$key.damaged")" = "half of it" ]
	warns_of sealed cluster_password
	ok sealed '{"operation":"cluster_status"}' '.warnings[0].message | contains("keys/node.key")'
	refused sealed 400 '{"operation":"cluster_network"}' "the password of user 'cluster' (clustering.user) cannot be unsealed"
	wait_until 10 grep -q "cannot be unsealed" "$HL_T/nodes/sealed/log"
	ok sealed '{"operation":"alter_user","username":"cluster","password":"cluster-secret"}'
	wait_until 20 node_ready sealed
	warns_of sealed
	node_stop sealed
	# Given at the start it is enough.
	rm "$key"
	node_run sealed
	wait_until 20 node_ready sealed
	warns_of sealed
	node_stop sealed
	rm -rf "$(root sealed)"
	cli sealed restore file="$HL_T/sealed.tar"
	node_run sealed
	wait_until 20 node_ready sealed
	node_stop sealed
}

backups()	# those in the folder, newest last
{
	ls "$HL_T/kept"
}

@test "backup into a folder: the newest stay, and a failed one takes none away" {
	local old=n1-20200101T000000Z.tar older=n1-20190101T000000Z.tar

	mkdir "$HL_T/kept"
	touch "$HL_T/kept/$old" "$HL_T/kept/$older" "$HL_T/kept/n1-20180101T000000Z.tar.part" \
	    "$HL_T/kept/n1-mine.tar" "$HL_T/kept/n10-20180101T000000Z.tar"
	for keep in 0 x -1 1000001; do
		run cli n1 backup folder="$HL_T/kept" --keep "$keep"
		[ "$status" = 1 ]
		[[ $output == *"how many backups stay"* ]]
	done
	run cli n1 backup --keep 2
	[ "$status" = 1 ]
	[[ $output == *"folder=PATH"* ]]
	# another one is at work
	exec 7<"$HL_T/kept"
	flock -x 7
	run cli n1 backup folder="$HL_T/kept" --keep 2
	exec 7<&-
	[ "$status" = 1 ]
	[[ $output == *"another backup"* ]]
	# one that fails
	run "$HL_CLI" backup folder="$HL_T/kept" --keep 1 target=http://127.0.0.1:1 username=a
	[ "$status" = 1 ]
	[ "$(backups | wc -l)" = 5 ]
	cli n1 backup folder="$HL_T/kept" --keep 2
	[ "$(backups | wc -l)" = 4 ]
	[ -e "$HL_T/kept/$old" ]
	[ ! -e "$HL_T/kept/$older" ]
	[ -e "$HL_T/kept/n1-mine.tar" ]
	[ -e "$HL_T/kept/n10-20180101T000000Z.tar" ]
	tar -tf "$(ls "$HL_T"/kept/n1-202[6-9]*.tar)" | grep -qx database/CURRENT
	# and without --keep, all stay, in a folder that it makes
	cli n1 backup folder="$HL_T/new"
	[ "$(stat -c %a "$HL_T/new")" = 700 ]
	[ "$(ls "$HL_T/new" | wc -l)" = 1 ]
}
