#!/usr/bin/env bats
# Jobs: what takes longer than a request may, on real nodes.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	ok n1 '{"operation":"create_database","database":"dev"}'
	mesh n1 n2
	make_table n1 aud
	insert n1 aud '{"id":1},{"id":2}'
	insert n1 aud '{"id":3}'
	make_table n1 bad
	make_table n1 out
	make_table n1 urls
	make_table n1 big
	mkdir "$HL_T/out"
	# somebody who is no super user
	ok n1 '{"operation":"add_role","role":"plain","permission":{"dev":{"tables":{"aud":{"read":true,"insert":true,"update":true,"delete":false,"attribute_permissions":[]}}}}}'
	ok n1 '{"operation":"add_user","role":"plain","username":"plain","password":"plain-secret","active":true}'
}

# ---- helpers ----

job()		# job NODE JSON [USER:PASSWORD]: starts one; $id
{
	op "$1" "$2"
	[ "$code" = 200 ] || {
		echo "$1: $2 gave $code: $body"
		return 1
	}
	id=$(jq -r .job_id <<<"$body")
}

ended()		# ended NODE ID
{
	ask "$1" "{\"operation\":\"get_job\",\"id\":\"$2\"}" |
	    jq -e '.[0].status | . == "COMPLETE" or . == "ERROR"'
}

done_job()	# done_job NODE JSON [JQ]: starts one, waits; $row holds it
{
	job "$1" "$2" || return 1
	wait_until 60 ended "$1" "$id" || return 1
	row=$(ask "$1" "{\"operation\":\"get_job\",\"id\":\"$id\"}" | jq -c '.[0]')
	jq -e "${3:-.status == \"COMPLETE\"}" <<<"$row" >/dev/null || {
		echo "$2 ended as $row, wanted ${3:-COMPLETE}"
		return 1
	}
}

# ---- the room ----

@test "a job answers with its id, ends, and says so" {
	job n1 "{\"operation\":\"delete_audit_logs_before\",\"database\":\"dev\",\"table\":\"aud\",\"timestamp\":$(date +%s)999}"
	[ "$(jq -r '.message | split(" ")[4]' <<<"$body")" = "$id" ]
	wait_until 20 ended n1 "$id"
	ok n1 "{\"operation\":\"get_job\",\"id\":\"$id\"}" 'length == 1 and (.[0] |
	    .id == "'"$id"'" and .user == "admin" and .type == "delete_audit_logs_before" and
	    .status == "COMPLETE" and .created_datetime <= .start_datetime and
	    .start_datetime <= .end_datetime and (has("request") | not) and
	    (.message | contains("Successfully completed")))'
}

@test "audit entries before a time go, and are counted" {
	make_table n1 trim
	insert n1 trim '{"id":1}'
	insert n1 trim '{"id":2}'
	wait_until 5 sh -c '[ $(date +%s%3N) -gt '"$(date +%s%3N)"' ]'
	middle=$(date +%s%3N)
	insert n1 trim '{"id":3}'
	done_job n1 "{\"operation\":\"delete_audit_logs_before\",\"schema\":\"dev\",\"table\":\"trim\",\"timestamp\":$middle}" \
	    '.progress.deleted == 2'
	ok n1 '{"operation":"read_audit_log","database":"dev","table":"trim"}' 'length == 1 and .[0].hash_values == [3]'
	# what is still to come is not old
	done_job n1 '{"operation":"delete_audit_logs_before","database":"dev","table":"trim","timestamp":9999999999999}' \
	    '.progress.deleted == 1'
	insert n1 trim '{"id":4}'
	ok n1 '{"operation":"read_audit_log","database":"dev","table":"trim"}' 'length == 1'
	refused n1 400 '{"operation":"delete_audit_logs_before","database":"dev","table":"trim"}' "'timestamp' is required"
	refused n1 400 '{"operation":"delete_audit_logs_before","database":"dev","table":"trim","timestamp":"x"}' "must be a number"
	refused n1 404 '{"operation":"delete_audit_logs_before","database":"dev","table":"none","timestamp":1}' "does not exist"
}

@test "jobs are found by id and by date, each by whom it concerns" {
	refused n1 400 '{"operation":"get_job"}' "'id' is required"
	refused n1 400 '{"operation":"get_job","id":5}' "'id' must be a string"
	ok n1 '{"operation":"get_job","id":"nosuch"}' '. == []'
	refused n1 400 '{"operation":"search_jobs_by_start_date","from_date":"yesterday","to_date":"2030-01-01"}' \
	    "Invalid 'from' date, must be in ISO-8601 format (YYYY-MM-DD)."
	refused n1 400 '{"operation":"search_jobs_by_start_date","from_date":"2020-01-01","to_date":"2030-02-30"}' \
	    "Invalid 'to' date, must be in ISO-8601 format (YYYY-MM-DD)."
	refused n1 400 '{"operation":"search_jobs_by_start_date"}' "'from_date' is required. 'to_date' is required"
	for _ in 1 2 3; do
		done_job n1 '{"operation":"delete_audit_logs_before","database":"dev","table":"aud","timestamp":1}'
	done
	ok n1 "{\"operation\":\"search_jobs_by_start_date\",\"from_date\":\"$(date -u +%F)\",\"to_date\":\"$(date -u +%F)\"}" \
	    'length >= 3 and all(.[]; has("request") | not) and ([.[].start_datetime] | . == sort)'
	ok n1 '{"operation":"search_jobs_by_start_date","from_date":"2020-01-01","to_date":"2020-02-01T10:00:00Z"}' '. == []'
	HL_USER=plain HL_PASSWORD=plain-secret ok n1 "{\"operation\":\"get_job\",\"id\":\"$id\"}" '. == []'
	HL_USER=plain HL_PASSWORD=plain-secret refused n1 403 \
	    '{"operation":"search_jobs_by_start_date","from_date":"2020-01-01","to_date":"2020-02-01"}' \
	    "Operation 'handleGetJobsByStartDate' is restricted to 'super_user' roles"
	HL_USER=plain HL_PASSWORD=plain-secret refused n1 403 \
	    '{"operation":"delete_audit_logs_before","database":"dev","table":"aud","timestamp":1}' \
	    "Operation 'deleteAuditLogsBefore' is restricted"
}

# ---- CSV ----

# load_data NODE TABLE CSV [ACTION]: JSON of a csv_data_load
load_data()
{
	jq -nc --arg t "$1" --arg d "$2" --arg a "${3:-insert}" \
	    '{operation:"csv_data_load",database:"dev",table:$t,data:$d,action:$a}'
}

@test "csv_data_load: values have their types" {
	make_table n1 types
	done_job n1 "$(load_data types $'\xef\xbb\xbfid, name ,age,ok,tags,o,none,empty,zip\r\n1,"a ""q"", b",41,TRUE,"[1,""x""]","{""a"":{""b"":1.5}}",null,,007\r\n"2","two\nlines",1e2,false,,,undefined,"",0\r\n')" \
	    '.status == "COMPLETE" and .message == "successfully loaded 2 of 2 records" and
	    .type == "csv_data_load" and .progress.records == 2 and .progress.loaded == 2 and .progress.bytes == .progress.total_bytes'
	has_row n1 types 1 '.name == "a \"q\", b" and .age == 41 and .ok == true and .tags == [1,"x"] and
	    .o == {"a":{"b":1.5}} and (has("none") | not) and (has("empty") | not) and .zip == "007"'
	has_row n1 types 2 '.name == "two\nlines" and .age == 100 and .ok == false and .empty == "" and .zip == 0'
}

@test "csv_data_load: insert, update and upsert count what they did" {
	make_table n1 acts
	insert n1 acts '{"id":1,"a":"old","b":"stays"}'
	# insert is what is done when nothing is said
	done_job n1 '{"operation":"csv_data_load","schema":"dev","table":"acts","data":"id,a\n1,new\n2,new\n2,again\n"}' \
	    '.message == "successfully loaded 1 of 3 records" and .progress.skipped == 2'
	has_row n1 acts 1 '.a == "old"'
	done_job n1 "$(load_data acts $'id,a\n1,newer\n9,none\n' update)" '.message == "successfully loaded 1 of 2 records"'
	has_row n1 acts 1 '.a == "newer" and .b == "stays"'
	has_no_row n1 acts 9
	done_job n1 "$(load_data acts $'id,a\n1,newest\n9,now\n' upsert)" '.message == "successfully loaded 2 of 2 records"'
	has_row n1 acts 1 '.a == "newest" and .b == "stays"'
	has_row n1 acts 9 '.a == "now"'
	# without a column for the key, keys are made
	done_job n1 "$(load_data acts $'a\nx\ny\n')" '.message == "successfully loaded 2 of 2 records"'
	counts n1 acts 5
	# the times are the server's
	done_job n1 "$(load_data acts $'id,__createdtime__,__updatedtime__\n10,5,5\n')"
	has_row n1 acts 10 '.__createdtime__ > 1600000000000'
}

@test "csv: a row that is no record is named by its line, what was before it is loaded" {
	done_job n1 "$(load_data bad $'id,a\n1,x\n2,x\n3,x,y\n4,x\n' | sed 's/{/{"strict":true,/')" '.status == "ERROR" and .message ==
	    "line 4: 3 cells, the header has 2; of 2 records before it 2 had been loaded"'
	counts n1 bad 2
	done_job n1 "$(load_data bad $'id,a\n5,"x\ny"\n,x\n')" '.status == "ERROR" and (.message | startswith("line 4: Invalid hash value: \u0027null\u0027"))'
	has_row n1 bad 5
	done_job n1 "$(load_data bad $'id\na/b\n')" '.status == "ERROR" and (.message | startswith("line 2: ") and contains("forward slash"))'
	done_job n1 "$(load_data bad $'id,a\n6,"x\n7,y\n')" '.status == "ERROR" and (.message | startswith("line 2: a quoted cell has no end"))'
	# no header, or one that names no columns: at once
	refused n1 400 "$(load_data bad $'id,a,a\n')" "line 1: the header names 'a' twice"
	refused n1 400 "$(load_data bad $'\n\nid,,a\n')" "line 3: column 2 of the header has no name"
	refused n1 400 "$(load_data bad $'id,a/b\n')" "line 1: Attribute names cannot include backticks or forward slashes"
	refused n1 400 "$(load_data bad $'\n\n')" "line 1: there is no header"
	refused n1 400 "$(load_data bad $'id,"a\n')" "line 1: a quoted cell has no end"
	refused n1 400 "$(load_data bad $'a\n1\n' update)" "a valid hash attribute must be provided with update record: there is no column 'id'"
	: >"$HL_T/empty.csv"
	refused n1 400 "{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"bad\",\"file_path\":\"$HL_T/empty.csv\"}" \
	    "line 1: there is no header"
	echo 'id,id' >"$HL_T/twice.csv"
	refused n1 400 "{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"bad\",\"file_path\":\"$HL_T/twice.csv\"}" \
	    "line 1: the header names 'id' twice"
	# fewer cells are fine, and a header alone
	done_job n1 "$(load_data bad $'id,a,b\n8\n9,x\n')" '.message == "successfully loaded 2 of 2 records"'
	has_row n1 bad 9 '.a == "x" and (has("b") | not)'
	done_job n1 "$(load_data bad $'id,a\n')" '.message == "successfully loaded 0 of 0 records"'
}

@test "csv: as people have it" {
	local with

	make_table n1 folk
	# more cells than the header, counted; True is text
	done_job n1 "$(load_data folk $'id,a,b\n1,x,True\n2,y,False,more,cells\n3,z,TRUE,\n')" \
	    '.message == "successfully loaded 3 of 3 records; cells beyond the header were left out of 2 records"'
	has_row n1 folk 1 '.b == "True"'
	has_row n1 folk 2 '.b == "False" and .a == "y"'
	has_row n1 folk 3 '.b == true'
	# a spreadsheet's: parted by semicolons, in its own encoding
	printf 'sep=;\r\nid;name\r\n11;M\xfcller, J\xf6rg\r\n12;\xc3\xa4\r\n' >"$HL_T/folk.csv"
	with="{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"folk\",\"action\":\"upsert\",\"file_path\":\"$HL_T/folk.csv\""
	done_job n1 "$with}" '.message == "successfully loaded 2 of 2 records; 1 cell was not UTF-8 and read as windows-1252"'
	has_row n1 folk 11 '.name == "Müller, Jörg"'
	has_row n1 folk 12 '.name == "ä"'
	done_job n1 "$with,\"encoding\":\"Windows-1251\"}" '.message == "successfully loaded 2 of 2 records"'
	has_row n1 folk 11 '.name == "Mьller, Jцrg"'
	done_job n1 "$with,\"strict\":true}" '.status == "ERROR" and (.message | startswith("line 3: cell 2 is not UTF-8"))'
	done_job n1 "$with,\"encoding\":\"utf-8\"}" '.status == "ERROR" and (.message | startswith("line 3: cell 2 is not UTF-8"))'
	printf 'id;name\n13;Ж\n' | iconv -f UTF-8 -t UTF-16 >"$HL_T/folk.csv"
	done_job n1 "$with,\"delimiter\":\";\"}" '.message == "successfully loaded 1 of 1 records"'
	has_row n1 folk 13 '.name == "Ж"'
	printf 'id\tname\n14\ta,b\n' >"$HL_T/folk.csv"
	done_job n1 "$with,\"delimiter\":\"\\\\t\"}"
	has_row n1 folk 14 '.name == "a,b"'
	# what the header was meant to say
	refused n1 400 "$with}" "line 1: the header is one column: give \\\"delimiter\\\": \\\"\\\\t\\\""
	refused n1 400 "$(load_data folk $'ID,a\n1,x\n')" "line 1: the header has 'ID', the table's primary key is 'id'"
	refused n1 400 "$(load_data folk $'"id ",a\n1,x\n')" "line 1: the header has 'id ', the table's primary key is 'id'"
	refused n1 400 "$(load_data folk $'name;id\nx;1\n')" "give \\\"delimiter\\\": \\\";\\\""
	refused n1 400 "$with,\"delimiter\":\"ab\"}" "'delimiter' must be one character, no letter, digit or quote"
	refused n1 400 "$with,\"delimiter\":\"\\\"\"}" "'delimiter' must be one character"
	refused n1 400 "$with,\"encoding\":\"ebcdic\"}" "'encoding' must be one such as utf-8"
	refused n1 400 '{"operation":"csv_data_load","database":"dev","table":"folk","data":"id,name\n9,Müller\n","encoding":"windows-1252"}' \
	    "'encoding' must be utf-8 with 'data'"
	refused n1 400 "$with,\"strict\":\"maybe\"}" "'strict' must be a boolean"
}

@test "csv: what is wrong with a request is said at once" {
	local op

	for op in data file url; do
		refused n1 400 "{\"operation\":\"csv_${op}_load\",\"table\":\"bad\"}" \
		    "'$([ $op = data ] && echo data || { [ $op = file ] && echo file_path || echo csv_url; })' is required"
	done
	refused n1 400 '{"operation":"csv_data_load","data":"id\n"}' "'table' is required"
	refused n1 400 '{"operation":"csv_data_load","table":"bad","data":""}' "'data' is not allowed to be empty"
	refused n1 400 '{"operation":"csv_data_load","table":"bad","data":{}}' "'data' must be a string"
	refused n1 400 '{"operation":"csv_data_load","database":"dev","table":"bad","data":"id\n","action":"drop"}' \
	    "'action' is required and must be either insert, update, or upsert"
	refused n1 400 '{"operation":"csv_data_load","database":"none","table":"bad","data":"id\n"}' "database 'none' does not exist"
	refused n1 400 '{"operation":"csv_data_load","database":"dev","table":"none","data":"id\n"}' "Table 'dev.none' does not exist"
	refused n1 403 '{"operation":"csv_data_load","database":"system","table":"hdb_user","data":"username\n"}' "used internally"
	refused n1 400 '{"operation":"csv_file_load","database":"dev","table":"bad","file_path":"/no/such.csv"}' \
	    "No such file or directory /no/such.csv"
	refused n1 400 '{"operation":"csv_file_load","database":"dev","table":"bad","file_path":"/tmp"}' "is not a regular file"
	refused n1 400 '{"operation":"csv_file_load","database":"dev","table":"bad","file_path":"/dev/zero"}' "is not a regular file"
	mkfifo "$HL_T/fifo"
	refused n1 400 "{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"bad\",\"file_path\":\"$HL_T/fifo\"}" "is not a regular file"
	refused n1 400 "{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"bad\",\"file_path\":\"$(root n1)/keys/node.key\"}" "below rootPath"
	ln -s "$(root n1)/keys/node.key" "$HL_T/link.csv"
	refused n1 400 "{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"bad\",\"file_path\":\"$HL_T/link.csv\"}" "below rootPath"
	for url in x ftp://127.0.0.1/x.csv file:///etc/passwd http:// 'http://a b/'; do
		refused n1 400 "{\"operation\":\"csv_url_load\",\"database\":\"dev\",\"table\":\"bad\",\"csv_url\":\"$url\"}" "'csv_url' must be a valid url"
	done
	refused n1 400 '{"operation":"csv_url_load","database":"dev","table":"bad","csv_url":"http://a/","passthrough_headers":{"a b":"c"}}' "is no header"
	refused n1 400 '{"operation":"csv_url_load","database":"dev","table":"bad","csv_url":"http://a/","passthrough_headers":{"a":"c\r\nd: e"}}' "is no header"
	refused n1 400 '{"operation":"csv_url_load","database":"dev","table":"bad","csv_url":"http://a/","passthrough_headers":"a"}' "must be of type object"
}

big_csv()	# makes $HL_T/big.csv
{
	awk 'BEGIN { print "id,name,n,f,note"; for (i = 1; i <= 300000; i++)
	    printf "%d,name %d,%d,%.2f,\"some text, with a comma %d\"\n", i, i, i * 7, i / 4, i }' >"$HL_T/big.csv"
}

load_big()	# load_big ACTION
{
	done_job n1 "{\"operation\":\"csv_file_load\",\"action\":\"$1\",\"database\":\"dev\",\"table\":\"big\",\"file_path\":\"$HL_T/big.csv\"}" \
	    '.message == "successfully loaded 300000 of 300000 records"'
}

@test "csv_file_load: more rows than a transaction holds, in bounded memory" {
	local before after

	big_csv
	before=$(peak n1)
	load_big upsert
	after=$(peak n1)
	echo "# peak memory $before -> $after kB" >&3
	counts n1 big 300000
	has_row n1 big 300000 '.n == 2100000 and .f == 75000 and .note == "some text, with a comma 300000"'
	sanitized n1 || [ $((after - before)) -lt 120000 ]
	rm "$HL_T/big.csv"
}

peak()		# peak NODE: kB that opsd had at most
{
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(node_pid "$1" opsd)/status"
}

serve()		# starts the web server: $web
{
	local port

	port=$(hl_ports)
	web=http://127.0.0.1:$port
	"$HL_BUILD/test/functional/serve" "$port" </dev/null >/dev/null 2>&1 3>&- &
	serving=$!
	disown $serving
	wait_until 10 curl -s -o /dev/null "$web/csv"
}

# url_load PATH [MORE]: JSON of a csv_url_load
url_load()
{
	echo "{\"operation\":\"csv_url_load\",\"action\":\"upsert\",\"database\":\"dev\",\"table\":\"urls\",\"csv_url\":\"$web$1\"${2:-}}"
}

@test "csv_url_load: over http, redirected, with headers, within limits" {
	serve
	done_job n1 "$(url_load /csv)" '.message == "successfully loaded 2 of 2 records"'
	has_row n1 urls 2 '.name == "two"'
	done_job n1 "$(url_load /rows/50000)" '.message == "successfully loaded 50000 of 50000 records"'
	counts n1 urls 50000
	done_job n1 "$(url_load /gzip)" '.message == "successfully loaded 2 of 2 records"'
	done_job n1 "$(url_load /to//csv)" '.message == "successfully loaded 2 of 2 records"'
	done_job n1 "$(url_load /to//secret ',"passthrough_headers":{"X-Key":"let-me-in"}')" '.status == "COMPLETE"'
	# what is passed through is kept nowhere
	ok n1 '{"operation":"search_by_value","database":"system","table":"hdb_job","search_attribute":"id","search_value":"*","get_attributes":["*"]}' \
	    'tostring | contains("let-me-in") | not'
	done_job n1 "$(url_load /secret)" '.status == "ERROR" and (.message | contains("403"))'
	done_job n1 "$(url_load /none)" '.status == "ERROR" and (.message | startswith("\u0027csv_url\u0027 cannot be read: ") and contains("404"))'
	done_job n1 "$(url_load /to/file:///etc/passwd)" '.status == "ERROR" and (.message | contains("rotocol"))'
	done_job n1 "$(url_load "/to/$web/to/$web/to/$web/to/$web/to/$web/to/csv")" '.status == "ERROR" and (.message | contains("redirects"))'
	# Whatever leads there: nothing of the link for anybody, nothing of the machine for others.
	for to in http://169.254.169.254/ 'http://[::ffff:169.254.169.254]/' 'http://[64:ff9b:1::a9fe:a9fe]/'; do
		done_job n1 "$(url_load "/to/$to")" '.status == "ERROR" and (.message | contains("leads to a link-local address"))'
	done
	ok n1 '{"operation":"add_role","role":"loader","permission":{"dev":{"tables":{"urls":{"read":true,"insert":true,"update":true,"delete":false,"attribute_permissions":[]}}}}}'
	ok n1 '{"operation":"add_user","role":"loader","username":"loader","password":"loads"}'
	for to in "$web/csv" "http://localhost:${web##*:}/csv" "http://[::ffff:127.0.0.1]:${web##*:}/csv" "http://0.0.0.0:${web##*:}/csv"; do
		HL_USER=loader HL_PASSWORD=loads done_job n1 "$(web=$to url_load '')" '.status == "ERROR" and (.message | contains("leads to a loopback address, for super users only"))'
	done
	done_job n1 "$(url_load /half)" '.status == "ERROR" and (.message | test("1000|transfer|missing"))'
	op n1 '{"operation":"set_configuration","jobs_maxFileSize":1000}'
	[ "$code" = 200 ]
	done_job n1 "$(url_load /rows/50000)" '.status == "ERROR" and (.message | contains("larger than jobs.maxFileSize (1000 bytes)"))'
	head -c 1001 /dev/zero >"$HL_T/zeros"
	refused n1 400 "{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"urls\",\"file_path\":\"$HL_T/zeros\"}" "more than jobs.maxFileSize (1000)"
	ok n1 '{"operation":"set_configuration","jobs_maxFileSize":1000000000}'
	kill "$serving"
	done_job n1 "$(url_load /csv)" '.status == "ERROR" and (.message | contains("connect"))'
}

# ---- export ----

# export_to FORMAT NAME [MORE]: JSON of an export_local of dev.out
export_to()
{
	echo "{\"operation\":\"export_local\",\"format\":\"$1\",\"path\":\"$HL_T/out\",\"filename\":\"$2\"${3:-},
	    \"search_operation\":{\"operation\":\"search_by_value\",\"database\":\"dev\",\"table\":\"out\",
	    \"search_attribute\":\"id\",\"search_value\":\"*\",\"get_attributes\":[\"id\",\"a\",\"b\"]}}"
}

@test "export_local: JSON and CSV, and back again" {
	make_table n1 back
	insert n1 out '{"id":1,"a":"x, \"y\"\nz","b":[1,{"c":null}]},{"id":"k","a":"","b":null},{"id":2.5,"a":false}'
	done_job n1 "$(export_to json all)" '.status == "COMPLETE" and .message == "Successfully exported JSON locally." and .progress.exported == 3'
	jq -e '. == [{"id":1,"a":"x, \"y\"\nz","b":[1,{"c":null}]},{"id":2.5,"a":false,"b":null},{"id":"k","a":"","b":null}]' "$HL_T/out/all.json"
	done_job n1 "$(export_to csv all.csv)" '.message == "Successfully exported CSV locally."'
	[ "$(cat "$HL_T/out/all.csv")" = $'id,a,b\r\n1,"x, ""y""\nz","[1,{""c"":null}]"\r\n2.5,false,\r\nk,"",\r' ]
	[ "$(stat -c %a "$HL_T/out/all.csv")" = 640 ]
	done_job n1 "{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"back\",\"file_path\":\"$HL_T/out/all.csv\"}"
	[ "$(rows n1 dev out | jq -c '[.id,.a,.b]')" = "$(rows n1 dev back | jq -c '[.id,.a,.b]')" ]
	# by id and by conditions; a name is made; nothing is found
	done_job n1 "{\"operation\":\"export_local\",\"format\":\"json\",\"path\":\"$HL_T/out\",\"search_operation\":{\"operation\":\"search_by_hash\",
	    \"schema\":\"dev\",\"table\":\"out\",\"hash_values\":[1],\"get_attributes\":[\"id\"]}}"
	[ "$(cat "$HL_T"/out/1*.json)" = '[{"id":1}]' ]
	done_job n1 "{\"operation\":\"export_local\",\"format\":\"csv\",\"path\":\"$HL_T/out\",\"filename\":\"none\",\"search_operation\":{\"operation\":\"search_by_conditions\",
	    \"database\":\"dev\",\"table\":\"out\",\"conditions\":[{\"attribute\":\"a\",\"comparator\":\"equals\",\"value\":\"no\"}],\"get_attributes\":[\"id\",\"a\"]}}"
	[ "$(cat "$HL_T/out/none.csv")" = $'id,a\r' ]
	[ -z "$(find "$HL_T/out" -name '.*' -type f)" ]
}

# load_back TABLE FILE [ACTION]: what was exported, into another table
load_back()
{
	done_job n1 "{\"operation\":\"csv_file_load\",\"action\":\"${3:-insert}\",\"database\":\"dev\",\"table\":\"$1\",\"file_path\":\"$2\"}"
}

# all_of TABLE ATTRIBUTES: every row as it is shown, without its times
all_of()
{
	ask n1 "{\"operation\":\"search_by_value\",\"database\":\"dev\",\"table\":\"$1\",\"search_attribute\":\"id\",
	    \"search_value\":\"*\",\"get_attributes\":$2}" | jq -cS 'map(del(.__createdtime__, .__updatedtime__))'
}

@test "csv: what is exported loads back equal, whatever a row holds" {
	local t rows

	# values that look like others, as texts, keys and names
	rows=$(jq -nc '["", " ", "12", "-1e3", "007", "true", "True", "null", "undefined", "[1]", "{}", "\"", "\"12\"", "a\u0000b",
	    "\u0000", "a\r\nb", "\r", ",;", "\ufeffx", 12, -1.5, 1e300, 9007199254740993, true, false, null, [1, "1", {"a": null, "b": "x\u0000"}],
	    {"": "\""}, "=1+1", "NaN", "sep=;"] as $v | [$v[] | select(type == "string" and length > 0 and length < 10 and . != "null")] as $k |
	    [range(0; $v | length) as $i | {id: ($k[$i] // $i), v: $v[$i], "12": $i, " b, \"c\" ": $v[$i]}]')
	ok n1 '{"operation":"create_table","database":"dev","table":"odd","primary_key":"id"}'
	ok n1 '{"operation":"create_table","database":"dev","table":"odd2","primary_key":"id"}'
	insert n1 odd "${rows:1:-1}"
	# a declared table shows what a row has not by leaving it out
	for t in said said2; do
		ok n1 "{\"operation\":\"create_table\",\"database\":\"dev\",\"table\":\"$t\",\"primary_key\":\"id\",
		    \"attributes\":[{\"name\":\"id\"},{\"name\":\"a\"},{\"name\":\"b\"}]}"
	done
	insert n1 said '{"id":1},{"id":2,"a":null},{"id":3,"a":"","b":"null"},{"id":4,"b":0}'
	for t in odd said; do
		hl_post n1 "{\"operation\":\"search_by_value\",\"database\":\"dev\",\"table\":\"$t\",\"search_attribute\":\"id\",
		    \"search_value\":\"*\",\"get_attributes\":[\"*\"]}" -H 'Accept: text/csv' >"$HL_T/out/$t.csv"
		load_back "${t}2" "$HL_T/out/$t.csv"
		[ "$(all_of $t '["*"]')" = "$(all_of ${t}2 '["*"]')" ]
	done
	# one column, nulls in it
	done_job n1 "$(export_to csv keys.csv | sed 's/"table":"out"/"table":"odd"/;s/\["id","a","b"\]/["v"]/')"
	make_table n1 ones
	load_back ones "$HL_T/out/keys.csv"
	[ "$(all_of odd '["v"]' | jq -c 'map(tojson) | sort')" = "$(all_of ones '["v"]' | jq -c 'map(tojson) | sort')" ]
}

@test "export_local: what is there stays unless it may go, and faults are said at once" {
	upsert n1 out '{"id":1,"a":1,"b":1},{"id":2},{"id":"k"}'
	done_job n1 "$(export_to json all ',"overwrite":true')"
	refused n1 400 "$(export_to json all)" 'is there already: with \"overwrite\": true'
	delete n1 out '1'
	done_job n1 "$(export_to json all ',"overwrite":true')"
	[ "$(jq 'map(.id) | index(1)' "$HL_T/out/all.json")" = null ]
	refused n1 400 '{"operation":"export_local"}' "'format' is required. 'path' is required. 'search_operation' is required"
	refused n1 400 "$(export_to xml all)" "'format' must be one of [json, csv]"
	refused n1 400 "$(export_to json ../all)" "'filename' must be a name without slashes"
	refused n1 400 "$(export_to json all | sed "s#$HL_T/out#$HL_T/none#")" "No such file or directory $HL_T/none"
	refused n1 400 "$(export_to json all | sed "s#$HL_T/out#out#")" "'path' must be an absolute path"
	refused n1 400 "$(export_to json all | sed "s#$HL_T/out#$HL_T/out/all.json#")" "Not a directory"
	refused n1 400 "$(export_to json all | sed "s#$HL_T/out#$(root n1)/keys#")" "below rootPath"
	refused n1 400 "$(export_to json new | sed 's/search_by_value/insert/')" "'search_operation.operation' must be one of"
	refused n1 404 "$(export_to json new | sed 's/"table":"out"/"table":"none"/')" "Table 'dev.none' does not exist"
	refused n1 404 "$(export_to json new | sed 's/"search_attribute":"id"/"search_attribute":"zz"/')" "unknown attribute 'zz'"
	# it writes files: for super users alone
	HL_USER=plain HL_PASSWORD=plain-secret refused n1 403 "$(export_to json mine | sed 's/"table":"out"/"table":"aud"/')" \
	    "Operation 'exportLocal' is restricted to 'super_user' roles"
}

@test "export_local: many rows, in bounded memory" {
	local before after

	counts n1 big 300000 || {
		big_csv
		load_big insert
	}
	before=$(peak n1)
	done_job n1 "{\"operation\":\"export_local\",\"format\":\"csv\",\"path\":\"$HL_T/out\",\"filename\":\"big\",\"search_operation\":{
	    \"operation\":\"search_by_value\",\"database\":\"dev\",\"table\":\"big\",\"search_attribute\":\"id\",\"search_value\":\"*\",
	    \"get_attributes\":[\"id\",\"name\",\"n\",\"f\",\"note\"]}}" '.progress.exported == 300000'
	after=$(peak n1)
	echo "# peak memory $before -> $after kB" >&3
	[ "$(wc -l <"$HL_T/out/big.csv")" = 300001 ]
	[ "$(tail -n 1 "$HL_T/out/big.csv")" = $'300000,name 300000,2100000,75000,"some text, with a comma 300000"\r' ]
	sanitized n1 || [ $((after - before)) -lt 60000 ]
}

# ---- rights ----

@test "csv: rights on the table and on every column" {
	ok n1 '{"operation":"create_table","database":"dev","table":"priv","primary_key":"id"}'
	insert n1 priv '{"id":1,"open":1,"shut":1}'
	ok n1 '{"operation":"add_role","role":"some","permission":{"dev":{"tables":{"priv":{"read":true,"insert":true,"update":true,"delete":false,
	    "attribute_permissions":[{"attribute_name":"open","read":true,"insert":true,"update":true},{"attribute_name":"shut","read":true,"insert":false,"update":false}]},
	    "bad":{"read":true,"insert":true,"update":false,"delete":false,"attribute_permissions":[]}}}}}'
	ok n1 '{"operation":"add_user","role":"some","username":"some","password":"some-secret","active":true}'
	HL_USER=some HL_PASSWORD=some-secret done_job n1 "$(load_data priv $'id,open\n2,2\n')" '.message == "successfully loaded 1 of 1 records" and .user == "some"'
	HL_USER=some HL_PASSWORD=some-secret refused n1 403 "$(load_data priv $'id,open,shut\n3,3,3\n' upsert)" \
	    '"unauthorized_access":[{"schema":"dev","table":"priv","required_table_permissions":[],"required_attribute_permissions":[{"attribute_name":"shut","required_permissions":["insert","update"]}]}]'
	HL_USER=some HL_PASSWORD=some-secret refused n1 403 "$(load_data priv $'id,none\n3,3\n')" "Attribute 'none' does not exist on 'dev.priv'"
	HL_USER=some HL_PASSWORD=some-secret refused n1 403 "$(load_data priv $'id,__createdtime__\n3,3\n')" "Internal timestamp attributes"
	echo 'id,shut' >"$HL_T/shut.csv"
	HL_USER=some HL_PASSWORD=some-secret refused n1 403 "{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"priv\",\"file_path\":\"$HL_T/shut.csv\"}" \
	    '"attribute_name":"shut"'
	counts n1 priv 2
	HL_USER=some HL_PASSWORD=some-secret refused n1 403 "$(load_data bad $'id\n77\n')" '"required_table_permissions":["update"]'
	HL_USER=some HL_PASSWORD=some-secret refused n1 403 "$(load_data out $'id\n77\n')" "Table 'dev.out' does not exist"
}

# ---- a node that stops ----

# A load that goes on until somebody ends it; some rows are in.
hanging_load()
{
	serve
	job n1 "$(url_load /hang)"
	wait_until 60 has_loaded "$id"
}

has_loaded()
{
	ask n1 "{\"operation\":\"get_job\",\"id\":\"$1\"}" | jq -e '.[0].status == "IN_PROGRESS" and .[0].progress.loaded >= 9000'
}

@test "a node that is killed says afterwards how far its jobs were" {
	local n

	ok n1 '{"operation":"drop_table","database":"dev","table":"urls"}'
	make_table n1 urls
	hanging_load
	n=$(count n1 urls)
	node_kill n1 opsd
	wait_until 30 node_answers n1
	ok n1 "{\"operation\":\"get_job\",\"id\":\"$id\"}" ".[0].status == \"ERROR\" and
	    .[0].message == \"The node was restarted while the job ran: $n records had been loaded\" and .[0].end_datetime >= .[0].start_datetime"
	counts n1 urls "$n"
	kill "$serving"
}

@test "a node that is stopped ends its jobs, and those that wait" {
	local first second third

	ok n1 '{"operation":"drop_table","database":"dev","table":"urls"}'
	make_table n1 urls
	hanging_load
	first=$id
	serve_first=$serving
	hanging_load
	second=$id
	job n1 "$(load_data aud $'id\n99\n')"
	third=$id
	ok n1 "{\"operation\":\"get_job\",\"id\":\"$third\"}" '.[0].status == "IN_PROGRESS" and .[0].start_datetime == null'
	node_stop n1
	kill "$serving" "$serve_first"
	node_run n1
	ok n1 "{\"operation\":\"get_job\",\"id\":\"$first\"}" '.[0].status == "ERROR" and .[0].message == "The node was stopped while the job ran: 10000 records had been loaded"'
	ok n1 "{\"operation\":\"get_job\",\"id\":\"$second\"}" '.[0].status == "ERROR"'
	ok n1 "{\"operation\":\"get_job\",\"id\":\"$third\"}" '.[0].status == "ERROR" and .[0].message == "The node was stopped while the job waited"'
}

# ---- what is older than a time ----

# records_before NODE TABLE DATE
records_before()
{
	done_job "$1" "{\"operation\":\"delete_records_before\",\"database\":\"dev\",\"table\":\"$2\",\"date\":\"$3\"}" "${4:-.status == \"COMPLETE\"}"
}

iso()		# iso MS
{
	date -u -d "@$(($1 / 1000)).$(printf %03d $(($1 % 1000)))" +%FT%T.%3NZ
}

@test "delete_records_before: rows made before the date go" {
	local middle

	ok n1 '{"operation":"create_table","database":"dev","table":"ages","primary_key":"id","attributes":[{"name":"id"},{"name":"a","indexed":true}]}'
	insert n1 ages '{"id":1,"a":5},{"id":2,"a":5}'
	wait_until 5 later "$(date +%s%3N)"
	middle=$(date +%s%3N)
	insert n1 ages '{"id":3,"a":5}'
	# updated since, but made before
	update n1 ages '{"id":2,"b":1}'
	records_before n1 ages "$(iso "$middle")" '.message == "2 of 2 records successfully deleted" and .progress.deleted == 2'
	counts n1 ages 1
	[ "$(ids n1 ages)" = 3 ]
	ok n1 '{"operation":"search_by_value","database":"dev","table":"ages","search_attribute":"a","search_value":5,"get_attributes":["id"]}' '. == [{"id":3}]'
	ok n1 '{"operation":"read_audit_log","database":"dev","table":"ages"}' \
	    'map(select(.operation == "delete")) | length == 1 and .[0].hash_values == [1,2] and (.[0].original_records | length) == 2'
	# what is made anew stays, also with a date that is still to come
	insert n1 ages '{"id":1,"a":6}'
	has_row n1 ages 1 '.a == 6'
	done_job n1 '{"operation":"delete_files_before","schema":"dev","table":"ages","date":"2099-01-01"}' '.progress.deleted == 2'
	insert n1 ages '{"id":1,"a":7}'
	counts n1 ages 1
	refused n1 400 '{"operation":"delete_records_before","database":"dev","table":"ages"}' "'date' is required"
	refused n1 400 '{"operation":"delete_records_before","database":"dev","table":"ages","date":"monday"}' "Invalid date, must be in ISO-8601 format (YYYY-MM-DD)."
	refused n1 404 '{"operation":"delete_records_before","database":"dev","table":"none","date":"2020-01-01"}' "does not exist"
	refused n1 403 '{"operation":"delete_records_before","database":"system","table":"hdb_user","date":"2020-01-01"}' "used internally"
	HL_USER=plain HL_PASSWORD=plain-secret refused n1 403 \
	    '{"operation":"delete_records_before","database":"dev","table":"ages","date":"2020-01-01"}' "Operation 'deleteFilesBefore' is restricted"
}

later()		# later MS: that is past
{
	[ "$(date +%s%3N)" -gt "$1" ]
}

@test "delete_records_before: other nodes keep theirs, and nothing brings them back" {
	local middle

	make_table n1 local
	subscribe n1 n2 local
	insert n1 local '{"id":1,"a":1},{"id":2,"a":1},{"id":3,"a":1}'
	insert n2 local '{"id":4,"a":1}'
	wait_until 20 counts n1 local 4
	wait_until 20 counts n2 local 4
	records_before n2 local "$(iso "$(date +%s%3N)")" '.progress.deleted == 4'
	counts n2 local 0
	# later writes come: updates of rows that are gone do not make them again
	update n1 local '{"id":1,"a":2}'
	insert n1 local '{"id":5,"a":1}'
	wait_until 20 has_row n2 local 5
	has_no_row n2 local 1
	# a key that is made again is a row on both
	insert n2 local '{"id":2,"a":9}'
	wait_until 20 has_row n1 local 2 '.a == 9'
	# nor does a new subscription bring them back, unless a start_time asks for old rows
	ok n2 '{"operation":"remove_node","node_name":"n1"}'
	wait_until 20 forgets n1 n2
	subscribe n2 n1 local
	insert n1 local '{"id":6,"a":1}'
	wait_until 20 has_row n2 local 6
	[ "$(ids n2 local | xargs)" = "2 5 6" ]
	[ "$(ids n1 local | xargs)" = "1 2 3 4 5 6" ]
	# nor its own log, or a restart
	node_stop n2
	node_run n2
	insert n1 local '{"id":7,"a":1}'
	wait_until 20 has_row n2 local 7
	[ "$(ids n2 local | xargs)" = "2 5 6 7" ]
	[ "$(count n1 local)" = 7 ]
}

forgets()	# forgets NODE PEER: they have no subscription any more
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e "[.connections[] | select(.node_name == \"$2\") | .subscriptions[]] == []"
}

@test "delete_transaction_logs_before: counted, and not what a subscriber lacks" {
	local middle

	make_table n1 trans
	subscribe n1 n2 trans true false
	insert n1 trans '{"id":1}'
	insert n1 trans '{"id":2}'
	wait_until 5 later "$(date +%s%3N)"
	middle=$(date +%s%3N)
	insert n1 trans '{"id":3}'
	wait_until 20 counts n2 trans 3
	done_job n1 "{\"operation\":\"delete_transaction_logs_before\",\"database\":\"dev\",\"table\":\"trans\",\"timestamp\":$middle}" \
	    '.progress.deleted == 2 and .message == "Successfully completed: 2 transactions of \u0027dev.trans\u0027 were deleted"'
	ok n1 '{"operation":"read_transaction_log","schema":"dev","table":"trans"}' 'length == 1 and .[0].records[0].id == 3'
	insert n1 trans '{"id":4}'
	wait_until 20 counts n2 trans 4
	# away, it lacks what comes now
	node_stop n2
	insert n1 trans '{"id":5}'
	done_job n1 '{"operation":"delete_transaction_logs_before","schema":"dev","table":"trans","timestamp":9999999999999}' \
	    '.status == "ERROR" and (.message | contains("\u0027n2\u0027 has not received all of"))'
	ok n1 '{"operation":"read_transaction_log","schema":"dev","table":"trans"}' 'length >= 1 and .[-1].records[0].id == 5'
	done_job n1 '{"operation":"delete_transaction_logs_before","schema":"dev","table":"trans","timestamp":9999999999999,"force":true}' '.progress.deleted >= 1'
	node_run n2
	wait_until 30 counts n2 trans 5
	refused n1 400 '{"operation":"delete_transaction_logs_before","database":"dev","table":"trans"}' "'timestamp' is required"
	refused n1 400 '{"operation":"delete_transaction_logs_before","database":"dev","table":"trans","timestamp":1,"force":5}' "'force' must be a boolean"
	HL_USER=plain HL_PASSWORD=plain-secret refused n1 403 \
	    '{"operation":"delete_transaction_logs_before","database":"dev","table":"trans","timestamp":1}' "Operation 'deleteTransactionLogsBefore' is restricted"
}

@test "a CSV load replicates like any other write" {
	make_table n1 repl
	subscribe n1 n2 repl
	awk 'BEGIN { print "id,name"; for (i = 1; i <= 20000; i++) printf "%d,name %d\n", i, i }' >"$HL_T/repl.csv"
	done_job n1 "{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"repl\",\"file_path\":\"$HL_T/repl.csv\"}"
	wait_until 30 counts n2 repl 20000
	done_job n2 "$(load_data repl $'id,name\n1,changed\n20001,new\n' update)" '.message == "successfully loaded 1 of 2 records"'
	wait_until 20 has_row n1 repl 1 '.name == "changed"'
	same_rows 20 repl n1 n2
}

# ---- bounds ----

@test "so many jobs wait, and no more" {
	local i first last first_server

	ok n1 '{"operation":"drop_table","database":"dev","table":"urls"}'
	make_table n1 urls
	hanging_load
	first=$id
	first_server=$serving
	hanging_load
	for i in {1..101}; do
		op n1 '{"operation":"delete_audit_logs_before","database":"dev","table":"aud","timestamp":1}'
		[ "$code" = 200 ] || break
		last=$(jq -r .job_id <<<"$body")
	done
	[ "$i" = 101 ]
	[ "$code" = 503 ]
	[[ $body == *"100 jobs are waiting already"* ]]
	# Both still load: nothing else has made room.
	has_loaded "$first"
	has_loaded "$id"
	kill "$serving" "$first_server"
	wait_until 60 ended n1 "$last"
	ok n1 "{\"operation\":\"get_job\",\"id\":\"$last\"}" '.[0].status == "COMPLETE"'
}

@test "rows of ended jobs are kept as long as they may be" {
	local old

	ok n1 '{"operation":"set_configuration","jobs_retention":1}'
	done_job n1 '{"operation":"delete_audit_logs_before","database":"dev","table":"aud","timestamp":1}'
	old=$id
	ok n1 '{"operation":"search_jobs_by_start_date","from_date":"2020-01-01","to_date":"2099-01-01"}' 'length > 0'
	wait_until 5 later "$(($(date +%s%3N) + 1100))"
	node_stop n1
	node_run n1
	ok n1 "{\"operation\":\"get_job\",\"id\":\"$old\"}" '. == []'
	ok n1 '{"operation":"search_jobs_by_start_date","from_date":"2020-01-01","to_date":"2099-01-01"}' '. == []'
	ok n1 '{"operation":"describe_table","database":"system","table":"hdb_job"}' '.record_count == 0'
	ok n1 '{"operation":"set_configuration","jobs_retention":"30d"}'
}
