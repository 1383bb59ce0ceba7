"""Statements as people and BI tools write them: all of them run in the server."""

TPCH = [
    """select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice) as sum_base_price,
    sum(l_extendedprice * (1 - l_discount)) as sum_disc_price, sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) as
    sum_charge, avg(l_quantity) as avg_qty, avg(l_extendedprice) as avg_price, avg(l_discount) as avg_disc, count(*)
    from lineitem where l_shipdate <= date '1998-12-01' - interval 90 day group by l_returnflag, l_linestatus
    order by l_returnflag, l_linestatus""",
    """select s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
    from part, supplier, partsupp, nation, region where p_partkey = ps_partkey and s_suppkey = ps_suppkey and
    p_size = 15
    and p_type like '%BRASS' and s_nationkey = n_nationkey and n_regionkey = r_regionkey and r_name = 'EUROPE'
    and ps_supplycost = (select min(ps_supplycost) from partsupp, supplier, nation, region where p_partkey = ps_partkey
    and s_suppkey = ps_suppkey and s_nationkey = n_nationkey and n_regionkey = r_regionkey and r_name = 'EUROPE')
    order by s_acctbal desc, n_name, s_name, p_partkey limit 100""",
    """select l_orderkey, sum(l_extendedprice * (1 - l_discount)) as revenue, o_orderdate, o_shippriority
    from customer, orders, lineitem where c_mktsegment = 'BUILDING' and c_custkey = o_custkey and l_orderkey =
    o_orderkey
    and o_orderdate < date '1995-03-15' and l_shipdate > date '1995-03-15'
    group by l_orderkey, o_orderdate, o_shippriority order by revenue desc, o_orderdate limit 10""",
    """select o_orderpriority, count(*) as order_count from orders where o_orderdate >= date '1993-07-01'
    and o_orderdate < date '1993-07-01' + interval 3 month and exists (select * from lineitem
    where l_orderkey = o_orderkey and l_commitdate < l_receiptdate) group by o_orderpriority order by
    o_orderpriority""",
    """select n_name, sum(l_extendedprice * (1 - l_discount)) as revenue
    from customer, orders, lineitem, supplier, nation, region where c_custkey = o_custkey and l_orderkey = o_orderkey
    and l_suppkey = s_suppkey and c_nationkey = s_nationkey and s_nationkey = n_nationkey and n_regionkey = r_regionkey
    and r_name = 'ASIA' and o_orderdate >= date '1994-01-01' group by n_name order by revenue desc""",
    """select sum(l_extendedprice * l_discount) as revenue from lineitem where l_shipdate >= date '1994-01-01'
    and l_discount between .06 - .01 and .06 + .01 and l_quantity < 24""",
    """select supp_nation, cust_nation, l_year, sum(volume) as revenue from (select n1.n_name as supp_nation,
    n2.n_name as cust_nation, extract(year from l_shipdate) as l_year, l_extendedprice * (1 - l_discount) as volume
    from supplier, lineitem, orders, customer, nation n1, nation n2 where s_suppkey = l_suppkey
    and o_orderkey = l_orderkey and c_custkey = o_custkey and s_nationkey = n1.n_nationkey
    and c_nationkey = n2.n_nationkey and ((n1.n_name = 'FRANCE' and n2.n_name = 'GERMANY')
    or (n1.n_name = 'GERMANY' and n2.n_name = 'FRANCE')) and l_shipdate between date '1995-01-01' and date '1996-12-31')
    as shipping group by supp_nation, cust_nation, l_year order by supp_nation, cust_nation, l_year""",
    """select o_year, sum(case when nation = 'BRAZIL' then volume else 0 end) / sum(volume) as mkt_share from (select
    extract(year from o_orderdate) as o_year, l_extendedprice * (1 - l_discount) as volume, n2.n_name as nation
    from part, supplier, lineitem, orders, customer, nation n1, nation n2, region where p_partkey = l_partkey
    and s_suppkey = l_suppkey and l_orderkey = o_orderkey and o_custkey = c_custkey and c_nationkey = n1.n_nationkey
    and n1.n_regionkey = r_regionkey and r_name = 'AMERICA' and s_nationkey = n2.n_nationkey
    and p_type = 'ECONOMY ANODIZED STEEL') as all_nations group by o_year order by o_year""",
    """select nation, o_year, sum(amount) as sum_profit from (select n_name as nation, extract(year from o_orderdate)
    as o_year, l_extendedprice * (1 - l_discount) - ps_supplycost * l_quantity as amount
    from part, supplier, lineitem, partsupp, orders, nation where s_suppkey = l_suppkey and ps_suppkey = l_suppkey
    and ps_partkey = l_partkey and p_partkey = l_partkey and o_orderkey = l_orderkey and s_nationkey = n_nationkey
    and p_name like '%green%') as profit group by nation, o_year order by nation, o_year desc""",
    """select c_custkey, c_name, sum(l_extendedprice * (1 - l_discount)) as revenue, c_acctbal, n_name, c_address,
    c_phone, c_comment from customer, orders, lineitem, nation where c_custkey = o_custkey and l_orderkey = o_orderkey
    and o_orderdate >= date '1993-10-01' and l_returnflag = 'R' and c_nationkey = n_nationkey
    group by all order by revenue desc limit 20""",
    """select ps_partkey, sum(ps_supplycost * ps_availqty) as v from partsupp, supplier, nation
    where ps_suppkey = s_suppkey and s_nationkey = n_nationkey and n_name = 'GERMANY' group by ps_partkey
    having sum(ps_supplycost * ps_availqty) > (select sum(ps_supplycost * ps_availqty) * 0.0001
    from partsupp, supplier, nation where ps_suppkey = s_suppkey and s_nationkey = n_nationkey
    and n_name = 'GERMANY') order by v desc""",
    """select l_shipmode, sum(case when o_orderpriority = '1-URGENT' or o_orderpriority = '2-HIGH' then 1 else 0 end)
    as high_line_count, sum(case when o_orderpriority <> '1-URGENT' and o_orderpriority <> '2-HIGH' then 1 else 0 end)
    as low_line_count from orders, lineitem where o_orderkey = l_orderkey and l_shipmode in ('MAIL', 'SHIP')
    and l_commitdate < l_receiptdate and l_shipdate < l_commitdate group by l_shipmode order by l_shipmode""",
    """select c_count, count(*) as custdist from (select c_custkey, count(o_orderkey) from customer left outer
    join orders
    on c_custkey = o_custkey and o_comment not like '%special%requests%' group by c_custkey) as c_orders
    (c_custkey, c_count) group by c_count order by custdist desc, c_count desc""",
    """select 100.00 * sum(case when p_type like 'PROMO%' then l_extendedprice * (1 - l_discount) else 0 end)
    / sum(l_extendedprice * (1 - l_discount)) as promo_revenue from lineitem, part where l_partkey = p_partkey""",
    """with revenue as (select l_suppkey as supplier_no, sum(l_extendedprice * (1 - l_discount)) as total_revenue
    from lineitem where l_shipdate >= date '1996-01-01' group by l_suppkey) select s_suppkey, s_name,
    s_address, s_phone,
    total_revenue from supplier, revenue where s_suppkey = supplier_no
    and total_revenue = (select max(total_revenue) from revenue) order by s_suppkey""",
    """select p_brand, p_type, p_size, count(distinct ps_suppkey) as supplier_cnt from partsupp, part
    where p_partkey = ps_partkey and p_brand <> 'Brand#45' and p_type not like 'MEDIUM POLISHED%'
    and p_size in (49, 14, 23, 45, 19, 3, 36, 9) and ps_suppkey not in (select s_suppkey from supplier
    where s_comment like '%Customer%Complaints%') group by p_brand, p_type, p_size
    order by supplier_cnt desc, p_brand, p_type, p_size""",
    """select sum(l_extendedprice) / 7.0 as avg_yearly from lineitem, part where p_partkey = l_partkey
    and p_brand = 'Brand#23' and p_container = 'MED BOX' and l_quantity < (select 0.2 * avg(l_quantity) from lineitem
    where l_partkey = p_partkey)""",
    """select c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity) from customer, orders, lineitem
    where o_orderkey in (select l_orderkey from lineitem group by l_orderkey having sum(l_quantity) > 300)
    and c_custkey = o_custkey and o_orderkey = l_orderkey group by all order by o_totalprice desc limit 100""",
    """select sum(l_extendedprice * (1 - l_discount)) as revenue from lineitem, part where (p_partkey = l_partkey
    and p_brand = 'Brand#12' and p_container in ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG') and l_quantity
    between 1 and 11
    and p_size between 1 and 5 and l_shipmode in ('AIR', 'AIR REG') and l_shipinstruct = 'DELIVER IN PERSON')
    or (p_partkey = l_partkey and p_brand = 'Brand#23' and l_quantity between 10 and 20)""",
    """select s_name, s_address from supplier, nation where s_suppkey in (select ps_suppkey from partsupp
    where ps_partkey in (select p_partkey from part where p_name like 'forest%') and ps_availqty >
    (select 0.5 * sum(l_quantity) from lineitem where l_partkey = ps_partkey and l_suppkey = ps_suppkey))
    and s_nationkey = n_nationkey and n_name = 'CANADA' order by s_name""",
    """select s_name, count(*) as numwait from supplier, lineitem l1, orders, nation where s_suppkey = l1.l_suppkey
    and o_orderkey = l1.l_orderkey and o_orderstatus = 'F' and exists (select * from lineitem l2
    where l2.l_orderkey = l1.l_orderkey and l2.l_suppkey <> l1.l_suppkey) and not exists (select * from lineitem l3
    where l3.l_orderkey = l1.l_orderkey and l3.l_receiptdate > l3.l_commitdate) group by s_name order by
    numwait desc""",
    """select cntrycode, count(*) as numcust, sum(c_acctbal) as totacctbal from (select substring(c_phone from 1 for 2)
    as cntrycode, c_acctbal from customer where substring(c_phone from 1 for 2) in ('13', '31', '23', '29', '30')
    and c_acctbal > (select avg(c_acctbal) from customer where c_acctbal > 0.00) and not exists (select * from orders
    where o_custkey = c_custkey)) as custsale group by cntrycode order by cntrycode""",
]

OTHERS = [
    "select 1",
    "from t",
    "select * from t limit 10 offset 5",
    "select * exclude (a) replace (b + 1 as b) from t",
    "select columns('a.*') from t",
    "select count(*), count(distinct a), sum(b) filter (where c > 1) from t",
    "select date_trunc('month', d) as month, sum(x) from t group by month order by month",
    "select extract(dow from d), dayname(d), strftime(d, '%Y-%m-%d'), d + interval 1 month from t",
    "select cast(d as date), try_cast(a as integer), a::decimal(18, 2), d at time zone 'UTC' from t",
    "select case when a > 1 then 'x' when a is null then 'y' else 'z' end, coalesce(a, b, 0), nullif(a, 0) from t",
    "select lower(a), upper(b), trim(c), substr(d, 1, 3), left(a, 2), length(b), replace(c, '-', '') from t",
    "select first_name || ' ' || last_name as name, concat(a, ', ', b), concat_ws('-', a, b, c) from t",
    "select lpad(a::varchar, 8, '0'), repeat('-', 20), split_part(b, '@', 2), regexp_replace(c, '[^0-9]', '') from t",
    "select * from t where a like '%foo%' and b ilike '%bar%' and c not like 'x_%' and d similar to '[a-z]+'",
    "select * from t where regexp_matches(a, '^[a-z]+$') and contains(b, 'x') and starts_with(c, 'y')",
    "select * from t where a in ('x', 'y', 'z') and b between 1 and 10 and c is not null",
    "select * from t where (a, b) in (select a, b from u)",
    "select row_number() over (partition by a order by b desc) as n, lag(c) over (order by d), ntile(4) over () from t",
    "select sum(x) over (order by d rows between 6 preceding and current row) from t",
    "select avg(x) over (partition by a), rank() over w, dense_rank() over w from t window w as (order by b)",
    "select * from t qualify row_number() over (partition by a order by b) = 1",
    "select a.x, b.y from a join b using (id) left join c on c.id = a.id full join d on d.k = b.k",
    "select * from a asof join b on a.ts >= b.ts",
    "select t.a, u.n from t, lateral (select count(*) as n from u where u.a = t.a) u",
    "with a as (select * from t), b as (select * from a where x > 1) select * from a join b using (id)",
    "with recursive r as (select 1 as n union all select n + 1 from r where n < 100) select sum(n) from r",
    "select a, b, sum(c) from t group by grouping sets ((a), (b), ())",
    "select a, b, sum(c) from t group by rollup (a, b)",
    "select * from t union all select * from u except select * from v",
    "pivot t on q in ('Q1', 'Q2') using sum(x) group by a",
    "unpivot t on a, b into name k value v",
    "select dept, string_agg(name, ', ' order by name) from t group by dept",
    "select dept, string_agg(upper(name), ', ') from t group by dept",
    "select dept, list(name order by name) from t group by dept",
    "select median(x), quantile_cont(x, 0.9), mode(a) from t",
    "select approx_count_distinct(a), stddev(b), corr(a, b), regr_slope(a, b), arg_max(a, b) from t",
    "select a ->> 'name', json_extract_string(b, '$.x'), c -> '$.y' from t",
    "select s.a, s['b'], l[1], list_contains(l, 3), len(l), array_to_string(l, ', ') from t",
    "select unnest(l) from t",
    "select {'a': x, 'b': y}, [x, y] from t",
    "select round(x, 2), floor(y), abs(z), x % 10, power(x, 2), greatest(x, y), log(z), 1e6 * x from t",
    "select * from range(10) r(i)",
    "select range as day from range(date '2024-01-01', date '2024-12-31', interval 1 day)",
    "select * from generate_series(1, 1000000)",
    "select md5(a), hash(b), sha256(c), to_base64(d::blob), hex(e) from t",
    "select * from t order by a collate nocase, b nulls last limit 100",
    "select * from t using sample 10%",
    "select * from t at (version => 3)",
    "select date_diff('day', a, b), age(b), last_day(c), make_date(2024, 1, 1), epoch_ms(d), now() from t",
    "select * from (values (1, 'a'), (2, 'b')) v(n, s)",
    "select a from t where exists (select 1 from u where u.id = t.id) and not (b = 1 or c = 2)",
    "select printf('%05d', a), format('{:.2f} EUR', b), levenshtein(name, 'smith') < 3 from t",
    "select * from t where lower(trim(a)) = 'x' and strpos(b, 'y') > 0 and position('z' in c) = 1",
    "select array_cosine_similarity(e, [0.1, 0.2]::float[2]), e::float[384] from t",
    "summarize t",
    "describe select a, count(*) from t group by a",
    "show tables",
    "select table_name, column_name, data_type from information_schema.columns order by ordinal_position",
    "select * from duckdb_tables() where schema_name not like 'pg_%'",
    "select * from matrix_search('forklift', k := 3, filter := $$state = 'IL'$$) where _score > 0.1",
    "select ?, $2 + 1, a = $3 from t",
]
