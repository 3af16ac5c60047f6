-- The schema roost: where nodes deliver their readings (PostgreSQL 14 or later).
--
-- `roostctl server init` runs it, `roostctl server init --print` prints it. One transaction; running it again changes
-- nothing but functions and views, which it writes anew. Whoever runs it may create roles and may create in this database.
--
--   roost_owner   owns all of it, cannot log in, and is what the functions run as: never a superuser
--   roost_node    what nodes log in as: it may call four functions, and nothing else. A token says which node calls
--   roost_reader  for people and dashboards: may read the views. GRANT roost_reader TO grafana
--
-- Each function pins search_path with pg_temp last, and names what it uses with its schema, so that nobody's table,
-- temporary or not, stands in for ours. Nothing may depend on the session's TimeZone, DateStyle or IntervalStyle.
BEGIN;

SET LOCAL client_min_messages = warning;

SET LOCAL search_path = pg_catalog, pg_temp;

SET LOCAL lock_timeout = '30s';

-- Two runs at once would stand in each other's way.
SELECT pg_advisory_xact_lock(7596553810);

DO $roost$
DECLARE have int;
BEGIN
  IF current_setting('server_version_num')::int < 140000 THEN
    RAISE feature_not_supported USING MESSAGE = format('roost: PostgreSQL 14 or later is needed, this is %s', current_setting('server_version'));
  END IF;
  IF to_regclass('roost.version') IS NOT NULL THEN
    EXECUTE 'SELECT max(v) FROM roost.version' INTO have;
    IF have > 1 THEN
      RAISE object_not_in_prerequisite_state USING MESSAGE = format('roost: the schema is of version %s, and this roostctl knows version 1: install a roostctl as new as it', have);
    END IF;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'roost_owner') THEN
    CREATE ROLE roost_owner NOLOGIN;
  END IF;
  IF NOT pg_has_role(current_user, 'roost_owner', 'USAGE') THEN
    EXECUTE format('GRANT roost_owner TO %I', current_user);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'roost_reader') THEN
    CREATE ROLE roost_reader NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'roost_node') THEN
    CREATE ROLE roost_node LOGIN CONNECTION LIMIT 50;
    ALTER ROLE roost_node SET statement_timeout = '30s';
    ALTER ROLE roost_node SET idle_in_transaction_session_timeout = '60s';
    ALTER ROLE roost_node SET lock_timeout = '20s';
    -- Tokens are parameters of its statements, and log_statement would write them into the server's log.
    BEGIN
      ALTER ROLE roost_node SET log_parameter_max_length = 0;
      ALTER ROLE roost_node SET log_parameter_max_length_on_error = 0;
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END IF;
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO roost_node', current_database());
  IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'roost' AND pg_get_userbyid(nspowner) <> 'roost_owner') THEN
    RAISE insufficient_privilege USING MESSAGE = 'roost: there is a schema roost that roost_owner does not own: ALTER SCHEMA roost OWNER TO roost_owner, or remove it';
  END IF;
END $roost$;

CREATE SCHEMA IF NOT EXISTS roost AUTHORIZATION roost_owner;

SET LOCAL ROLE roost_owner;

REVOKE ALL ON SCHEMA roost FROM PUBLIC;

ALTER DEFAULT PRIVILEGES FOR ROLE roost_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE TABLE IF NOT EXISTS roost.version(
  v int PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now()
);

-- token: sha256 of the text a node sends. The one before is good until old_until.
-- What changes with every batch is in no index, and half of each page is left free for it.
CREATE TABLE IF NOT EXISTS roost.node(
  node int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CONSTRAINT node_name CHECK (length(name) BETWEEN 1 AND 200 AND name !~ '[[:cntrl:]]'),
  token bytea NOT NULL CONSTRAINT node_token CHECK (length(token) = 32),
  old_token bytea,
  old_until timestamptz,
  enabled bool NOT NULL DEFAULT true,
  made timestamptz NOT NULL DEFAULT now(),
  enrolled_by bytea,
  machine text,
  machine_seen timestamptz,
  machine_before text,
  machine_before_seen timestamptz,
  epoch bigint,
  epochs bigint[] NOT NULL DEFAULT '{}',
  clones int NOT NULL DEFAULT 0,
  cloned timestamptz,
  version text,
  seen timestamptz,
  uptime_s bigint,
  taken bigint,
  sealed bigint,
  waiting bigint,
  dropped bigint,
  backlog bigint,
  oldest timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);

-- The last number of a segment that the server accounts for: as a reading, a reject or a gap.
CREATE TABLE IF NOT EXISTS roost.mark(
  node int,
  epoch bigint,
  lo bigint,
  seq bigint NOT NULL,
  PRIMARY KEY (node, epoch, lo)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);

CREATE TABLE IF NOT EXISTS roost.sensor(
  sensor int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  node int NOT NULL,
  name text NOT NULL,
  unit text NOT NULL,
  UNIQUE (node, name, unit)
);

-- clock: 0 the node's clock was set, 1 corrected later, 2 never known. arrived is the server's clock and the only one
-- that partitions follow: a wrong clock of a node moves nothing. No unique key: the mark keeps rows from coming twice.
CREATE TABLE IF NOT EXISTS roost.reading(
  node int NOT NULL,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  sensor int NOT NULL,
  t timestamptz NOT NULL,
  clock smallint NOT NULL,
  v float8 NOT NULL CONSTRAINT reading_v_is_finite CHECK (v > '-Infinity' AND v < 'Infinity'),
  arrived timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (arrived);

CREATE INDEX IF NOT EXISTS reading_t ON roost.reading USING brin (t) WITH (pages_per_range = 32);

-- Numbers without a reading. why: 0 never given to one, 1 the node was full, 2 too old, 3 thinned, 4 deleted there after
-- they were acknowledged, and lost here. `numbers` of lo..hi are given up for that reason.
CREATE TABLE IF NOT EXISTS roost.gap(
  node int,
  epoch bigint,
  lo bigint,
  hi bigint NOT NULL,
  why smallint,
  numbers bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node, epoch, lo, why)
);

-- Rows that the table refuses for their own sake.
CREATE TABLE IF NOT EXISTS roost.reject(
  node int,
  epoch bigint,
  seq bigint,
  t timestamptz,
  name text,
  unit text,
  v text,
  state text NOT NULL,
  why text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node, epoch, seq)
);

-- Readings that went with a partition that roost.tend dropped, so that the balance is right after it.
CREATE TABLE IF NOT EXISTS roost.retired(
  node int,
  epoch bigint,
  readings bigint NOT NULL,
  PRIMARY KEY (node, epoch)
);

-- sha256 of codes for roost.enroll.
CREATE TABLE IF NOT EXISTS roost.enrol_code(
  code bytea PRIMARY KEY,
  nodes_left int NOT NULL,
  until timestamptz NOT NULL,
  made timestamptz NOT NULL DEFAULT now()
);

-- The day (UTC) of the latest roost.tend; own: partitions are ours to make (false: pg_partman or a DBA makes them).
CREATE TABLE IF NOT EXISTS roost.upkeep(
  one bool PRIMARY KEY DEFAULT true CHECK (one),
  day date NOT NULL DEFAULT '-infinity',
  tried timestamptz NOT NULL DEFAULT '-infinity',
  own bool NOT NULL DEFAULT true
);

INSERT INTO roost.upkeep DEFAULT VALUES ON CONFLICT DO NOTHING;

-- Who calls. An unknown name and a wrong token are told alike; a disabled node with its token is told apart.
CREATE OR REPLACE FUNCTION roost.whoami(who text, tok text) RETURNS int
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $roost$
DECLARE hash bytea := sha256(convert_to(tok, 'UTF8')); n int; good bool;
BEGIN
  SELECT x.node, x.enabled INTO n, good FROM roost.node x
    WHERE x.name = who AND (x.token = hash OR x.old_token = hash AND now() < x.old_until);
  IF n IS NULL THEN
    RAISE insufficient_privilege USING MESSAGE = 'roost: unknown node or wrong token',
      HINT = 'On the server: roostctl server add-node, or rotate-token.';
  END IF;
  IF NOT good THEN
    RAISE insufficient_privilege USING MESSAGE = 'roost: the node is disabled',
      HINT = 'On the server: roostctl server enable-node.';
  END IF;
  RETURN n;
END $roost$;

-- A partition a day (UTC) from today on. Each is made aside and attached, which waits for no reader and no writer.
-- keep: partitions whose last row is older than so many days are dropped; NULL: none. Returns how many were made.
CREATE OR REPLACE FUNCTION roost.tend(days int DEFAULT 8, keep int DEFAULT NULL) RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $roost$
DECLARE today date := (now() AT TIME ZONE 'UTC')::date; d date; p text; made int := 0;
BEGIN
  IF days IS NULL OR days NOT BETWEEN 1 AND 366 OR keep < 1 THEN
    RAISE invalid_parameter_value USING MESSAGE = 'roost: tend makes 1 to 366 days of partitions, and keeps 1 day or more';
  END IF;
  PERFORM pg_advisory_xact_lock(7596553811);
  IF (SELECT u.own FROM roost.upkeep u) THEN
    FOR i IN 0 .. days LOOP
      d := today + i;
      p := 'reading_' || to_char(d, 'YYYYMMDD');
      CONTINUE WHEN to_regclass('roost.' || p) IS NOT NULL
        AND EXISTS (SELECT FROM pg_inherits x WHERE x.inhrelid = to_regclass('roost.' || p));
      EXECUTE format('CREATE TABLE IF NOT EXISTS roost.%I (LIKE roost.reading INCLUDING ALL)', p);
      EXECUTE format('ALTER TABLE roost.reading ATTACH PARTITION roost.%I FOR VALUES FROM (%L) TO (%L)', p,
        to_char(d, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(d + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
      made := made + 1;
    END LOOP;
  END IF;
  IF keep IS NOT NULL THEN
    FOR p IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'roost.reading'::regclass AND c.relname ~ '^reading_[0-9]{8}$'
          AND c.relname < 'reading_' || to_char(today - keep, 'YYYYMMDD') ORDER BY 1 LOOP
      EXECUTE format('LOCK TABLE roost.%I IN SHARE MODE', p);
      EXECUTE format('INSERT INTO roost.retired AS r SELECT node, epoch, count(*) FROM roost.%I GROUP BY 1, 2
        ON CONFLICT (node, epoch) DO UPDATE SET readings = r.readings + excluded.readings', p);
      EXECUTE format('DROP TABLE roost.%I', p);
    END LOOP;
  END IF;
  UPDATE roost.upkeep SET day = greatest(day, today) WHERE day < today;
  RETURN made;
END $roost$;

-- tend, for a batch that has other things to do than to wait for a lock.
CREATE OR REPLACE FUNCTION roost.tend_softly() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $roost$
BEGIN
  PERFORM roost.tend();
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'roost: no partitions were made ahead: % (%)', SQLERRM, SQLSTATE;
END $roost$;

-- The first batch of a day makes the partitions ahead. Where one for today is there, a tend that cannot be is left to
-- a batch a minute later, and to `roostctl server check`, which counts the partitions ahead.
CREATE OR REPLACE FUNCTION roost.tend_by_batch() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $roost$
DECLARE today date := (now() AT TIME ZONE 'UTC')::date; u roost.upkeep;
BEGIN
  IF to_regclass('roost.reading_' || to_char(today, 'YYYYMMDD')) IS NULL THEN
    PERFORM pg_advisory_xact_lock(7596553811);
    SELECT * INTO u FROM roost.upkeep;
    IF u.day < today THEN PERFORM roost.tend(); END IF;
    RETURN;
  END IF;
  SELECT * INTO u FROM roost.upkeep;
  IF u.tried > now() - interval '1 minute' OR NOT pg_try_advisory_xact_lock(7596553811) THEN RETURN; END IF;
  UPDATE roost.upkeep SET tried = now();
  PERFORM roost.tend_softly();
END $roost$;

-- What a node asks first on a new connection: its marks. Two machines of one name, or two runs that take turns, are a
-- copied card: both go on, and it is counted.
CREATE OR REPLACE FUNCTION roost.hello(who text, tok text, e bigint, machine text, version text, epochs bigint[], los bigint[])
RETURNS TABLE(schema_version int, server_us bigint, spread_s int, max_rows int, clones int, epoch bigint, lo bigint, seq bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $roost$
#variable_conflict use_column
DECLARE n int := roost.whoami(who, tok); here text := left(nullif(hello.machine, ''), 64); c int; s int; v int;
BEGIN
  IF coalesce(cardinality(hello.epochs), 0) <> coalesce(cardinality(los), 0) OR coalesce(cardinality(los), 0) > 32
      OR array_position(hello.epochs, NULL) IS NOT NULL OR array_position(los, NULL) IS NOT NULL OR e IS NULL THEN
    RAISE invalid_parameter_value USING MESSAGE = 'roost: hello takes an epoch, and at most 32 segments as two arrays of one length without NULL';
  END IF;
  UPDATE roost.node x SET
      clones = x.clones + CASE WHEN x.machine <> here OR x.epoch <> e AND e = ANY (x.epochs) THEN 1 ELSE 0 END,
      cloned = CASE WHEN x.machine <> here OR x.epoch <> e AND e = ANY (x.epochs) THEN now() ELSE x.cloned END,
      machine_before = CASE WHEN x.machine <> here THEN x.machine ELSE x.machine_before END,
      machine_before_seen = CASE WHEN x.machine <> here THEN x.machine_seen ELSE x.machine_before_seen END,
      machine = coalesce(here, x.machine),
      machine_seen = CASE WHEN here IS NULL THEN x.machine_seen ELSE now() END,
      epochs = CASE WHEN x.epoch IS DISTINCT FROM e THEN (e || array_remove(x.epochs, e))[1:8] ELSE x.epochs END,
      epoch = e, version = left(hello.version, 64), seen = now()
    WHERE x.node = n RETURNING x.clones INTO c;
  SELECT max(x.v) INTO v FROM roost.version x;
  -- A session costs the server 12 ms, and logging in may take a quarter of one core.
  SELECT greatest(10, ceil(max(x.node) * 0.048))::int INTO s FROM roost.node x;
  RETURN QUERY SELECT v, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, s, 5000, c, a.epoch, a.lo, m.seq
    FROM (SELECT 1) one
      LEFT JOIN unnest(hello.epochs, los) WITH ORDINALITY a(epoch, lo, o) ON true
      LEFT JOIN roost.mark m ON m.node = n AND m.epoch = a.epoch AND m.lo = a.lo
    ORDER BY a.o;
END $roost$;

-- Accounts for the numbers first..last of the segment (e, l), all or nothing, and answers the mark.
--   t0 ms since 1970; dt ms after the row before; s from 1 into names; q NULL: rows are consecutive from first, else offsets
--   g_...: numbers without a row: `g_numbers` of g_lo..g_hi for the reason g_why
CREATE OR REPLACE FUNCTION roost.ingest(who text, tok text, e bigint, l bigint, first bigint, last bigint, t0 bigint, clock smallint,
  q int[], dt int[], s smallint[], v float8[], names text[], units text[],
  g_why smallint[], g_lo bigint[], g_hi bigint[], g_numbers bigint[], backlog bigint, oldest_us bigint,
  OUT mark bigint, OUT rejected int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $roost$
#variable_conflict use_column
DECLARE
  n int := roost.whoami(who, tok);
  rows int := coalesce(cardinality(v), 0);
  gaps int := coalesce(cardinality(g_why), 0);
  ids int[]; given bigint; r record; cn text; first_why text;
BEGIN
  rejected := 0;
  -- 2^62 leaves room for every sum below.
  IF (first >= l AND last >= first AND l >= 0 AND last < 4611686018427387904 AND e IS NOT NULL AND t0 IS NOT NULL AND clock IS NOT NULL) IS NOT TRUE THEN
    RAISE invalid_parameter_value USING MESSAGE = format('roost: a batch has an epoch, a time, a clock and 0 <= lo <= first <= last, not lo %s, first %s, last %s', l, first, last);
  END IF;
  IF rows > 5000 THEN
    RAISE program_limit_exceeded USING MESSAGE = format('roost: a batch has at most 5000 rows, not %s', rows);
  END IF;
  IF coalesce(cardinality(dt), 0) <> rows OR coalesce(cardinality(s), 0) <> rows OR q IS NOT NULL AND cardinality(q) <> rows
      OR coalesce(cardinality(names), 0) <> coalesce(cardinality(units), 0) OR cardinality(names) > 255
      OR coalesce(cardinality(g_lo), 0) <> gaps OR coalesce(cardinality(g_hi), 0) <> gaps OR coalesce(cardinality(g_numbers), 0) <> gaps OR gaps > 16
      OR coalesce(array_ndims(v), 1) > 1 OR coalesce(array_ndims(dt), 1) > 1 OR coalesce(array_ndims(s), 1) > 1 OR coalesce(array_ndims(q), 1) > 1
      OR coalesce(array_ndims(names), 1) > 1 OR coalesce(array_ndims(units), 1) > 1 THEN
    RAISE invalid_parameter_value USING MESSAGE = 'roost: arrays of rows, of names (at most 255) and of gaps (at most 16) are of one length each and of one dimension';
  END IF;
  IF rows > 0 AND (array_position(dt, NULL) IS NOT NULL OR (1 <= ALL (s) AND cardinality(names) >= ALL (s)) IS NOT TRUE) THEN
    RAISE invalid_parameter_value USING MESSAGE = 'roost: a row has a time, and a number of a name that is there';
  END IF;
  IF q IS NOT NULL AND EXISTS (SELECT FROM (SELECT u.x, lag(u.x, 1, -1) OVER (ORDER BY u.o) AS before FROM unnest(q) WITH ORDINALITY u(x, o)) w
      WHERE (w.x > w.before AND w.x <= last - first) IS NOT TRUE) THEN
    RAISE invalid_parameter_value USING MESSAGE = 'roost: offsets of rows rise, from 0 to last - first';
  END IF;
  given := 0;
  IF gaps > 0 THEN
    SELECT sum(CASE WHEN u.lo >= first AND u.hi <= last AND u.numbers >= 1 AND u.numbers <= u.hi - u.lo + 1 AND u.why >= 0 THEN u.numbers END) INTO given
      FROM unnest(g_why, g_lo, g_hi, g_numbers) u(why, lo, hi, numbers)
      HAVING bool_and((u.lo >= first AND u.hi <= last AND u.numbers >= 1 AND u.numbers <= u.hi - u.lo + 1 AND u.why >= 0) IS TRUE);
  END IF;
  IF (rows + given = last - first + 1) IS NOT TRUE THEN
    RAISE invalid_parameter_value USING MESSAGE = format('roost: %s rows and %s numbers of gaps do not account for %s..%s', rows, coalesce(given::text, 'wrong'), first, last);
  END IF;

  IF EXISTS (SELECT FROM roost.upkeep u WHERE u.day < (now() AT TIME ZONE 'UTC')::date AND u.own) THEN
    PERFORM roost.tend_by_batch();
  END IF;
  SELECT m.seq INTO mark FROM roost.mark m WHERE m.node = n AND m.epoch = e AND m.lo = l FOR UPDATE;
  IF mark IS NULL THEN
    INSERT INTO roost.mark VALUES (n, e, l, l - 1) ON CONFLICT DO NOTHING;
    SELECT m.seq INTO mark FROM roost.mark m WHERE m.node = n AND m.epoch = e AND m.lo = l FOR UPDATE;
  END IF;
  IF first <> mark + 1 THEN RETURN; END IF;

  IF rows > 0 THEN
    SELECT array_agg(x.sensor ORDER BY u.o) INTO ids FROM unnest(names, units) WITH ORDINALITY u(name, unit, o)
      LEFT JOIN roost.sensor x ON x.node = n AND x.name = u.name AND x.unit = u.unit;
    IF array_position(ids, NULL) IS NOT NULL THEN
      -- A name that cannot be one has no sensor, and its rows are refused one by one.
      INSERT INTO roost.sensor(node, name, unit) SELECT n, u.name, u.unit FROM unnest(names, units) u(name, unit)
        WHERE length(u.name) BETWEEN 1 AND 200 AND length(u.unit) <= 200 ON CONFLICT DO NOTHING;
      IF (SELECT count(*) FROM roost.sensor x WHERE x.node = n) > 10000 THEN
        RAISE raise_exception USING MESSAGE = 'roost: a node has at most 10000 names of sensors: is a changing number part of a name?';
      END IF;
      SELECT array_agg(x.sensor ORDER BY u.o) INTO ids FROM unnest(names, units) WITH ORDINALITY u(name, unit, o)
        LEFT JOIN roost.sensor x ON x.node = n AND x.name = u.name AND x.unit = u.unit;
    END IF;
    BEGIN
      IF q IS NULL THEN
        INSERT INTO roost.reading(node, epoch, seq, sensor, t, clock, v)
          SELECT n, e, first + w.o - 1, ids[w.k], 'epoch'::timestamptz + (t0 + w.at) * interval '1 ms', ingest.clock, w.x
          FROM (SELECT u.o, u.k, u.x, sum(u.d) OVER (ORDER BY u.o) AS at FROM unnest(dt, s, ingest.v) WITH ORDINALITY u(d, k, x, o)) w;
      ELSE
        INSERT INTO roost.reading(node, epoch, seq, sensor, t, clock, v)
          SELECT n, e, first + w.p, ids[w.k], 'epoch'::timestamptz + (t0 + w.at) * interval '1 ms', ingest.clock, w.x
          FROM (SELECT u.p, u.k, u.x, sum(u.d) OVER (ORDER BY u.o) AS at FROM unnest(q, dt, s, ingest.v) WITH ORDINALITY u(p, d, k, x, o)) w;
      END IF;
    EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
      GET STACKED DIAGNOSTICS cn = CONSTRAINT_NAME;
      -- No partition: that is no fault of a row.
      IF SQLSTATE = '23514' AND coalesce(cn, '') = '' THEN RAISE; END IF;
      FOR r IN SELECT u.o, coalesce(u.p, u.o - 1) AS p, u.k, u.x, sum(u.d) OVER (ORDER BY u.o) AS at
          FROM unnest(coalesce(q, '{}'), dt, s, ingest.v) WITH ORDINALITY u(p, d, k, x, o) LOOP
        BEGIN
          INSERT INTO roost.reading(node, epoch, seq, sensor, t, clock, v)
            VALUES (n, e, first + r.p, ids[r.k], 'epoch'::timestamptz + (t0 + r.at) * interval '1 ms', ingest.clock, r.x);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
          GET STACKED DIAGNOSTICS cn = CONSTRAINT_NAME;
          IF SQLSTATE = '23514' AND coalesce(cn, '') = '' THEN RAISE; END IF;
          rejected := rejected + 1;
          first_why := coalesce(first_why, SQLSTATE || ' ' || SQLERRM);
          -- That many are not the rows' fault but the table's: a new CHECK, a changed type.
          IF rejected > 20 AND rejected * 100 > rows THEN
            RAISE raise_exception USING MESSAGE = format('roost: most rows refused: more than 20 and 1 %% of a batch of %s, the first with %s', rows, first_why);
          END IF;
          INSERT INTO roost.reject(node, epoch, seq, t, name, unit, v, state, why)
            VALUES (n, e, first + r.p,
              CASE WHEN t0::numeric + r.at BETWEEN -62135596800000 AND 253402300799000 THEN 'epoch'::timestamptz + (t0 + r.at) * interval '1 ms' END,
              left(names[r.k], 200), left(units[r.k], 200), r.x::text, SQLSTATE, left(SQLERRM, 500)) ON CONFLICT DO NOTHING;
        END;
      END LOOP;
    END;
  END IF;
  IF gaps > 0 THEN
    INSERT INTO roost.gap(node, epoch, lo, hi, why, numbers)
      SELECT n, e, u.lo, u.hi, u.why, u.numbers FROM unnest(g_why, g_lo, g_hi, g_numbers) u(why, lo, hi, numbers);
  END IF;
  UPDATE roost.mark m SET seq = last WHERE m.node = n AND m.epoch = e AND m.lo = l;
  UPDATE roost.node x SET seen = now(), backlog = ingest.backlog,
      oldest = CASE WHEN oldest_us BETWEEN -62135596800000000 AND 253402300799000000 THEN 'epoch'::timestamptz + oldest_us * interval '1 us' END
    WHERE x.node = n;
  mark := last;
END $roost$;

-- A sign of life. Returns the server's time, µs since 1970.
CREATE OR REPLACE FUNCTION roost.beat(who text, tok text, e bigint, version text, uptime_s bigint, taken bigint, sealed bigint, waiting bigint, dropped bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $roost$
#variable_conflict use_column
DECLARE n int := roost.whoami(who, tok);
BEGIN
  UPDATE roost.node x SET seen = now(), version = left(beat.version, 64), uptime_s = beat.uptime_s, taken = beat.taken,
      sealed = beat.sealed, waiting = beat.waiting, dropped = beat.dropped
    WHERE x.node = n;
  RETURN (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
END $roost$;

-- 64 hexadecimal digits of at least 244 random bits.
CREATE OR REPLACE FUNCTION roost.random_token() RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $roost$
SELECT encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex')
$roost$;

-- A token for a new node, for a code of `roostctl server enroll-code`. Asked again with the same code, name and machine
-- before the node's first hello, it gives another token: the answer may have been lost.
CREATE OR REPLACE FUNCTION roost.enroll(code text, name text, machine text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $roost$
#variable_conflict use_column
DECLARE hash bytea := sha256(convert_to(enroll.code, 'UTF8')); c roost.enrol_code; x roost.node; fresh text := roost.random_token();
BEGIN
  IF nullif(enroll.machine, '') IS NULL OR length(enroll.machine) > 64 THEN
    RAISE invalid_parameter_value USING MESSAGE = 'roost: enrolment takes the machine, 1 to 64 letters';
  END IF;
  SELECT y.* INTO c FROM roost.enrol_code y WHERE y.code = hash FOR UPDATE;
  IF c.code IS NULL THEN
    RAISE insufficient_privilege USING MESSAGE = 'roost: the enrolment code is wrong';
  END IF;
  IF c.until <= now() THEN
    RAISE insufficient_privilege USING MESSAGE = 'roost: the enrolment code has expired', HINT = 'On the server: roostctl server enroll-code.';
  END IF;
  SELECT y.* INTO x FROM roost.node y WHERE y.name = enroll.name FOR UPDATE;
  IF x.node IS NOT NULL THEN
    IF x.enrolled_by = hash AND x.machine = enroll.machine AND x.seen IS NULL AND x.enabled THEN
      UPDATE roost.node y SET token = sha256(convert_to(fresh, 'UTF8')) WHERE y.node = x.node;
      RETURN fresh;
    END IF;
    RAISE unique_violation USING MESSAGE = format('roost: there is a node of the name %L: choose another name, or roostctl server rotate-token', enroll.name);
  END IF;
  IF c.nodes_left < 1 THEN
    RAISE insufficient_privilege USING MESSAGE = 'roost: the enrolment code is used up', HINT = 'On the server: roostctl server enroll-code.';
  END IF;
  UPDATE roost.enrol_code y SET nodes_left = y.nodes_left - 1 WHERE y.code = hash;
  INSERT INTO roost.node(name, token, enrolled_by, machine) VALUES (enroll.name, sha256(convert_to(fresh, 'UTF8')), hash, enroll.machine);
  RETURN fresh;
END $roost$;

-- The readings by names. A WHERE on arrived leaves out partitions; t comes from the node's clock.
CREATE OR REPLACE VIEW roost.readings AS
  SELECT n.name AS node, s.name, s.unit, r.t, r.v, r.clock, r.arrived, r.epoch, r.seq
  FROM roost.reading r JOIN roost.node n USING (node) JOIN roost.sensor s USING (sensor);

CREATE OR REPLACE VIEW roost.nodes AS
  SELECT n.name, n.enabled, n.seen, extract(epoch FROM now() - n.seen)::bigint AS silent_s, n.version, n.uptime_s, n.taken, n.sealed,
    n.waiting, n.dropped, n.backlog, n.oldest, extract(epoch FROM now() - n.oldest)::bigint AS oldest_s, n.clones, n.cloned,
    n.machine, n.machine_seen, n.machine_before, n.machine_before_seen, n.epochs, n.made, n.old_until AS old_token_until
  FROM roost.node n;

-- Enabled nodes of which nothing was heard for 15 minutes, or ever; those that never were heard of first.
CREATE OR REPLACE VIEW roost.silent AS
  SELECT n.name, n.seen, extract(epoch FROM now() - n.seen)::bigint AS silent_s, n.waiting, n.oldest, n.made
  FROM roost.node n WHERE n.enabled AND (n.seen IS NULL OR n.seen < now() - interval '15 minutes')
  ORDER BY n.seen NULLS FIRST, n.name;

-- What the marks account for against what is there: `missing` is 0, or readings are lost. One look at every reading.
CREATE OR REPLACE VIEW roost.balance AS
  SELECT n.name AS node, m.epoch, m.accounted, coalesce(r.readings, 0) AS readings, coalesce(j.rejects, 0) AS rejects,
    coalesce(g.gaps, 0) AS gaps,
    m.accounted - coalesce(r.readings, 0) - coalesce(j.rejects, 0) - coalesce(g.gaps, 0) - coalesce(d.readings, 0) AS missing,
    coalesce(d.readings, 0) AS retired
  FROM (SELECT node, epoch, sum(seq - lo + 1)::bigint AS accounted FROM roost.mark GROUP BY 1, 2) m
    JOIN (SELECT node, name FROM roost.node) n USING (node)
    LEFT JOIN (SELECT node, epoch, count(*) AS readings FROM roost.reading GROUP BY 1, 2) r USING (node, epoch)
    LEFT JOIN (SELECT node, epoch, count(*) AS rejects FROM roost.reject GROUP BY 1, 2) j USING (node, epoch)
    LEFT JOIN (SELECT node, epoch, sum(numbers)::bigint AS gaps FROM roost.gap GROUP BY 1, 2) g USING (node, epoch)
    LEFT JOIN roost.retired d USING (node, epoch);

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA roost FROM PUBLIC;

REVOKE ALL ON ALL TABLES IN SCHEMA roost FROM PUBLIC, roost_node;

GRANT USAGE ON SCHEMA roost TO roost_node, roost_reader;

GRANT EXECUTE ON FUNCTION roost.hello, roost.ingest, roost.beat, roost.enroll TO roost_node;

GRANT SELECT ON roost.readings, roost.nodes, roost.silent, roost.balance TO roost_reader;

SELECT roost.tend();

INSERT INTO roost.version(v) VALUES (1) ON CONFLICT DO NOTHING;

RESET ROLE;

COMMIT;
