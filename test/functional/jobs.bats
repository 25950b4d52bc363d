#!/usr/bin/env bats
# Jobs: what takes longer than a request may, on real nodes.

load node.bash

start_nodes()
{
	node_start n1
	ok n1 '{"operation":"create_database","database":"dev"}'
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
	make_table n1 aud
	insert n1 aud '{"id":1},{"id":2}'
	insert n1 aud '{"id":3}'
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
	ok n1 "{\"operation\":\"search_jobs_by_start_date\",\"from_date\":\"$(date -u +%F)\",\"to_date\":\"$(date -u +%F)\"}" \
	    'length >= 3 and all(.[]; has("request") | not) and ([.[].start_datetime] | . == sort)'
	ok n1 '{"operation":"search_jobs_by_start_date","from_date":"2020-01-01","to_date":"2020-02-01T10:00:00Z"}' '. == []'
	ok n1 '{"operation":"add_role","role":"plain","permission":{"dev":{"tables":{"aud":{"read":true,"insert":true,"update":true,"delete":false,"attribute_permissions":[]}}}}}'
	ok n1 '{"operation":"add_user","role":"plain","username":"plain","password":"plain-secret","active":true}'
	done_job n1 '{"operation":"delete_audit_logs_before","database":"dev","table":"aud","timestamp":1}'
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
	make_table n1 bad
	done_job n1 "$(load_data bad $'id,a\n1,x\n2,x\n3,x,y\n4,x\n')" '.status == "ERROR" and .message ==
	    "line 4: 3 cells, the header has 2; of 2 records before it 2 had been loaded"'
	counts n1 bad 2
	done_job n1 "$(load_data bad $'id,a\n5,"x\ny"\n,x\n')" '.status == "ERROR" and (.message | startswith("line 4: Invalid hash value: \u0027null\u0027"))'
	has_row n1 bad 5
	done_job n1 "$(load_data bad $'id\na/b\n')" '.status == "ERROR" and (.message | startswith("line 2: ") and contains("forward slash"))'
	done_job n1 "$(load_data bad $'id,a\n6,"x\n7,y\n')" '.status == "ERROR" and (.message | startswith("line 2: a quoted cell has no end"))'
	done_job n1 "$(load_data bad $'id,a,a\n')" '.status == "ERROR" and (.message | startswith("line 1: the header names \u0027a\u0027 twice"))'
	done_job n1 "$(load_data bad $'id,,a\n')" '.status == "ERROR" and (.message | startswith("line 1: column 2 of the header has no name"))'
	done_job n1 "$(load_data bad $'id,a/b\n')" '.status == "ERROR" and (.message | contains("backticks or forward slashes"))'
	done_job n1 "$(load_data bad $'\n\n')" '.status == "ERROR" and (.message | contains("there is no header"))'
	done_job n1 "$(load_data bad $'a\n1\n' update)" '.status == "ERROR" and (.message | contains("a valid hash attribute must be provided"))'
	# fewer cells are fine, and a header alone
	done_job n1 "$(load_data bad $'id,a,b\n8\n9,x\n')" '.message == "successfully loaded 2 of 2 records"'
	has_row n1 bad 9 '.a == "x" and (has("b") | not)'
	done_job n1 "$(load_data bad $'id,a\n')" '.message == "successfully loaded 0 of 0 records"'
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

@test "csv_file_load: more rows than a transaction holds, in bounded memory" {
	local before after

	make_table n1 big
	awk 'BEGIN { print "id,name,n,f,note"; for (i = 1; i <= 300000; i++)
	    printf "%d,name %d,%d,%.2f,\"some text, with a comma %d\"\n", i, i, i * 7, i / 4, i }' >"$HL_T/big.csv"
	before=$(peak n1)
	done_job n1 "{\"operation\":\"csv_file_load\",\"database\":\"dev\",\"table\":\"big\",\"file_path\":\"$HL_T/big.csv\"}" \
	    '.message == "successfully loaded 300000 of 300000 records"'
	after=$(peak n1)
	echo "# peak memory $before -> $after kB" >&3
	counts n1 big 300000
	has_row n1 big 300000 '.n == 2100000 and .f == 75000 and .note == "some text, with a comma 300000"'
	[ -n "${HL_SANITIZERS:-}" ] || [ $((after - before)) -lt 120000 ]
	rm "$HL_T/big.csv"
}

peak()		# peak NODE: kB that opsd had at most
{
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(node_pid "$1" opsd)/status"
}
