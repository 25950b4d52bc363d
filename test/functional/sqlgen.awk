# Statements for one table of sql.bats, a line each: awk -v seed=N -v count=N -v kind=read|write

function pick(list,  a, n)
{
	n = split(list, a, "~")
	return a[1 + int(rand() * n)]
}

function literal()
{
	return pick("0~1~2~3~4~5~-1~2.5~1e300~'a'~'ab'~'abc'~'b'~'é'~''~'5'~NULL")
}

function column()
{
	return pick("id~a~b~c")
}

function comparison(  c)
{
	c = column()
	return pick(c " " pick("=~<~>~<=~>=~<>~IS~IS NOT") " " literal() \
	    "~" c " BETWEEN " literal() " AND " literal() \
	    "~" c " IN (" literal() ", " literal() ", " literal() ")" \
	    "~" c " IS NULL~" c " IS NOT NULL" \
	    "~" c " LIKE " pick("'a%'~'%b'~'_'~'A%'~'5'") \
	    "~typeof(" c ") = " pick("'text'~'integer'~'real'~'null'"))
}

function condition(depth)
{
	if (depth == 0 || rand() < 0.4)
		return comparison()
	if (rand() < 0.15)
		return "NOT (" condition(depth - 1) ")"
	return "(" condition(depth - 1) pick(" AND ~ OR ") condition(depth - 1) ")"
}

function order()
{
	return " ORDER BY " pick("id~id DESC~a, id~a DESC, id~b DESC, id DESC~c, id~a, b DESC, id")
}

function limit()
{
	return pick("~ LIMIT 3~ LIMIT 5 OFFSET 2~ LIMIT 1")
}

function query(  n)
{
	n = int(rand() * 12)
	if (n < 4)
		return "SELECT id, a, b, c FROM T WHERE " condition(2) order() limit()
	if (n == 4)
		return "SELECT count(*) AS n, sum(a) AS s, min(b) AS least, max(c) AS most FROM T WHERE " condition(2)
	if (n == 5)
		return "SELECT a, count(*) AS n FROM T WHERE " condition(1) " GROUP BY a HAVING count(*) > 1 ORDER BY n DESC, a"
	if (n == 6)
		return "SELECT x.id, y.id AS other FROM T x " pick("JOIN~LEFT JOIN~INNER JOIN") \
		    " T y ON x." pick("a = y.b~b = y.b~c = y.id~a < y.id~id = y.a") \
		    " WHERE x.id IS NOT NULL AND (x.a IS NOT NULL OR " pick("y.c = 1~x.b > 'a'~y.id < 3") ") ORDER BY x.id, y.id LIMIT 40"
	if (n == 7)
		return "SELECT DISTINCT " pick("a~b~c~a, b~typeof(a)") " FROM T WHERE " condition(1)
	if (n == 8)
		return "SELECT id FROM T WHERE " pick("a~b~id") pick(" IN ~ NOT IN ") "(SELECT " pick("a~b~c~id") \
		    " FROM T WHERE " pick("a~b") " IS NOT NULL AND " condition(1) ") ORDER BY id"
	if (n == 9)
		return "SELECT id, " pick("a + 1~a || b~coalesce(c, a, 'none')~upper(b)~length(b)~a * 2 - id~CASE WHEN a > 2 THEN 'big' ELSE b END") \
		    " AS v FROM T WHERE " condition(1) " ORDER BY id"
	if (n == 10)
		return "SELECT id, (SELECT count(*) FROM T y WHERE y.a = x.a) AS alike FROM T x WHERE " pick("a > 1~b >= 'a'~id < 20") " ORDER BY id"
	return "WITH w AS (SELECT a, id FROM T WHERE " condition(1) ") SELECT w.id FROM w JOIN T t ON t.id = w.id" \
	    " UNION SELECT id FROM T WHERE " condition(1)
}

function change()
{
	return pick("UPDATE T SET c = " pick("a~b~coalesce(c, 0) + 1~'set'~NULL~id || 'x'") " WHERE " condition(1) \
	    "~UPDATE T SET a = " literal() ", b = " literal() " WHERE " condition(2) \
	    "~DELETE FROM T WHERE " condition(2) " AND id > " int(rand() * 60) \
	    "~INSERT INTO T (id, a, b) VALUES (" 100 + int(rand() * 900) NR ", " literal() ", " literal() ")" \
	    "~INSERT INTO T (id, c) SELECT id || '-' || " NR ", b FROM T WHERE " condition(1) " ORDER BY id LIMIT 2")
}

BEGIN {
	srand(seed)
	for (NR = 1; NR <= count; NR++)
		print kind == "write" ? change() : query()
}
