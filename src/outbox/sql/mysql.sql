-- The database roost: where nodes deliver their readings (MariaDB 10.11 or later).
--
-- `roostctl server init mysql://root@HOST/` runs it, `roostctl server init --print --mysql` prints it. Running it again
-- changes nothing but procedures and views, which it writes anew. Whoever runs it is an administrator.
--
--   roost_owner@localhost   what the procedures run as; it is locked and cannot log in
--   roost_node@'%'          what nodes log in as: it may call four procedures, and nothing else. A token says which node calls
--
-- Times are DATETIME(6) in UTC: no time_zone of a session moves them.
CREATE DATABASE IF NOT EXISTS roost CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE USER IF NOT EXISTS roost_owner@localhost ACCOUNT LOCK;

GRANT ALL ON roost.* TO roost_owner@localhost;

-- Nobody can log in as it before it has a password.
CREATE USER IF NOT EXISTS roost_node@'%' IDENTIFIED VIA mysql_native_password USING 'invalid' WITH MAX_USER_CONNECTIONS 50;

CREATE TABLE IF NOT EXISTS roost.version(
  v INT PRIMARY KEY,
  at DATETIME(6) NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS roost.node(
  node INT AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(200) NOT NULL UNIQUE,
  token BINARY(32) NOT NULL,
  old_token BINARY(32),
  old_until DATETIME(6),
  enabled BOOL NOT NULL DEFAULT TRUE,
  made DATETIME(6) NOT NULL,
  enrolled_by BINARY(32),
  machine VARCHAR(64),
  machine_seen DATETIME(6),
  machine_before VARCHAR(64),
  machine_before_seen DATETIME(6),
  epoch BIGINT,
  epochs VARCHAR(255) NOT NULL DEFAULT '',
  clones INT NOT NULL DEFAULT 0,
  cloned DATETIME(6),
  version VARCHAR(64),
  seen DATETIME(6),
  uptime_s BIGINT,
  taken BIGINT,
  sealed BIGINT,
  waiting BIGINT,
  dropped BIGINT,
  backlog BIGINT,
  oldest DATETIME(6)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS roost.mark(
  node INT,
  epoch BIGINT,
  lo BIGINT,
  seq BIGINT NOT NULL,
  PRIMARY KEY (node, epoch, lo)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS roost.sensor(
  sensor INT AUTO_INCREMENT PRIMARY KEY,
  node INT NOT NULL,
  name VARCHAR(200) NOT NULL CHECK (name <> ''),
  unit VARCHAR(200) NOT NULL,
  UNIQUE (node, name, unit)
) ENGINE = InnoDB;

-- The partition follows the server's clock. DOUBLE refuses NaN and infinity by itself.
CREATE TABLE IF NOT EXISTS roost.reading(
  node INT NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  sensor INT NOT NULL,
  t DATETIME(6) NOT NULL,
  clock SMALLINT NOT NULL,
  v DOUBLE NOT NULL,
  arrived DATETIME(6) NOT NULL,
  KEY (node, sensor, t)
) ENGINE = InnoDB PARTITION BY RANGE COLUMNS (arrived) (PARTITION p0 VALUES LESS THAN ('2000-01-01'));

CREATE TABLE IF NOT EXISTS roost.gap(
  node INT,
  epoch BIGINT,
  lo BIGINT,
  hi BIGINT NOT NULL,
  why SMALLINT,
  numbers BIGINT NOT NULL,
  at DATETIME(6) NOT NULL,
  PRIMARY KEY (node, epoch, lo, why)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS roost.reject(
  node INT,
  epoch BIGINT,
  seq BIGINT,
  t DATETIME(6),
  name VARCHAR(200),
  unit VARCHAR(200),
  v VARCHAR(64),
  state VARCHAR(8) NOT NULL,
  why VARCHAR(500) NOT NULL,
  at DATETIME(6) NOT NULL,
  PRIMARY KEY (node, epoch, seq)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS roost.retired(
  node INT,
  epoch BIGINT,
  readings BIGINT NOT NULL,
  PRIMARY KEY (node, epoch)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS roost.enrol_code(
  code BINARY(32) PRIMARY KEY,
  nodes_left INT NOT NULL,
  until DATETIME(6) NOT NULL,
  made DATETIME(6) NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS roost.upkeep(
  one INT PRIMARY KEY,
  day DATE NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO roost.upkeep VALUES (1, '1970-01-01');

DELIMITER //
-- Makes partitions from today on; drops those older than `keep` days, NULL: none. Both commit by themselves.
CREATE OR REPLACE DEFINER = roost_owner@localhost PROCEDURE roost.tend(days INT, keep INT, OUT made INT)
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
  DECLARE d DATE DEFAULT UTC_DATE();
  DECLARE p VARCHAR(64);
  DECLARE done BOOL DEFAULT FALSE;
  DECLARE old CURSOR FOR SELECT PARTITION_NAME FROM information_schema.PARTITIONS
    WHERE TABLE_SCHEMA = 'roost' AND TABLE_NAME = 'reading' AND PARTITION_NAME LIKE 'p2%'
      AND PARTITION_NAME < CONCAT('p', DATE_FORMAT(UTC_DATE() - INTERVAL keep DAY, '%Y%m%d'));
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN DO RELEASE_LOCK('roost.tend'); RESIGNAL; END;
  IF days IS NULL OR days NOT BETWEEN 1 AND 366 OR keep < 1 THEN
    SIGNAL SQLSTATE '22023' SET MESSAGE_TEXT = 'roost: tend makes 1 to 366 days of partitions, and keeps 1 day or more';
  END IF;
  SET made = 0;
  IF GET_LOCK('roost.tend', 20) <> 1 THEN
    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'roost: another session makes partitions';
  END IF;
  SELECT GREATEST(UTC_DATE(), COALESCE(MAX(STR_TO_DATE(SUBSTRING(PARTITION_NAME, 2), '%Y%m%d')) + INTERVAL 1 DAY, UTC_DATE())) INTO d
    FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = 'roost' AND TABLE_NAME = 'reading' AND PARTITION_NAME LIKE 'p2%';
  WHILE d <= UTC_DATE() + INTERVAL days DAY DO
    EXECUTE IMMEDIATE CONCAT('ALTER TABLE roost.reading ADD PARTITION (PARTITION p', DATE_FORMAT(d, '%Y%m%d'),
      ' VALUES LESS THAN (''', DATE_FORMAT(d + INTERVAL 1 DAY, '%Y-%m-%d'), '''))');
    SET made = made + 1;
    SET d = d + INTERVAL 1 DAY;
  END WHILE;
  IF keep IS NOT NULL THEN
    OPEN old;
    older: LOOP
      FETCH old INTO p;
      IF done THEN LEAVE older; END IF;
      EXECUTE IMMEDIATE CONCAT('INSERT INTO roost.retired SELECT node, epoch, COUNT(*) FROM roost.reading PARTITION (', p,
        ') GROUP BY node, epoch ON DUPLICATE KEY UPDATE readings = readings + VALUES(readings)');
      EXECUTE IMMEDIATE CONCAT('ALTER TABLE roost.reading DROP PARTITION ', p);
    END LOOP;
    CLOSE old;
  END IF;
  UPDATE roost.upkeep SET day = UTC_DATE();
  DO RELEASE_LOCK('roost.tend');
END //

-- Who calls; locks the node's row, so that its calls come one after the other.
CREATE OR REPLACE DEFINER = roost_owner@localhost PROCEDURE roost.whoami(who VARCHAR(200), tok VARCHAR(200), OUT me INT)
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
  DECLARE hash BINARY(32) DEFAULT UNHEX(SHA2(tok, 256));
  DECLARE good BOOL;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET me = NULL;
  SET me = NULL;
  SELECT x.node, x.enabled INTO me, good FROM roost.node x
    WHERE x.name = who AND (x.token = hash OR x.old_token = hash AND UTC_TIMESTAMP(6) < x.old_until) FOR UPDATE;
  IF me IS NULL THEN
    SIGNAL SQLSTATE '42501' SET MYSQL_ERRNO = 1142, MESSAGE_TEXT = 'roost: unknown node or wrong token';
  END IF;
  IF NOT good THEN
    SIGNAL SQLSTATE '42501' SET MYSQL_ERRNO = 1142, MESSAGE_TEXT = 'roost: the node is disabled';
  END IF;
END //

-- epochs and los: JSON arrays of one length.
CREATE OR REPLACE DEFINER = roost_owner@localhost PROCEDURE roost.roost_hello(who VARCHAR(200), tok VARCHAR(200), e BIGINT,
  machine_is VARCHAR(200), version_is VARCHAR(200), epochs_asked JSON, los JSON)
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
  DECLARE me INT;
  DECLARE c INT;
  DECLARE here VARCHAR(64) DEFAULT LEFT(NULLIF(machine_is, ''), 64);
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
  SET epochs_asked = COALESCE(epochs_asked, '[]'), los = COALESCE(los, '[]');
  IF e IS NULL OR JSON_LENGTH(epochs_asked) <> JSON_LENGTH(los) OR JSON_LENGTH(los) > 32 OR
      NOT epochs_asked REGEXP '^\\[[-0-9, ]*\\]$' OR NOT los REGEXP '^\\[[-0-9, ]*\\]$' THEN
    SIGNAL SQLSTATE '22023' SET MESSAGE_TEXT = 'roost: hello takes an epoch, and at most 32 segments as two arrays of one length';
  END IF;
  START TRANSACTION;
  CALL roost.whoami(who, tok, me);
  -- Of one row assignments are made from left to right.
  UPDATE roost.node SET
      cloned = IF(machine <> here OR epoch <> e AND FIND_IN_SET(e, epochs) > 0, UTC_TIMESTAMP(6), cloned),
      clones = clones + COALESCE(machine <> here OR epoch <> e AND FIND_IN_SET(e, epochs) > 0, 0),
      machine_before_seen = IF(machine <> here, machine_seen, machine_before_seen),
      machine_before = IF(machine <> here, machine, machine_before),
      machine_seen = IF(here IS NULL, machine_seen, UTC_TIMESTAMP(6)),
      machine = COALESCE(here, machine),
      epochs = IF(epoch <=> e, epochs, SUBSTRING_INDEX(CONCAT_WS(',', e, NULLIF(epochs, '')), ',', 8)),
      epoch = e, version = LEFT(version_is, 64), seen = UTC_TIMESTAMP(6)
    WHERE node = me;
  SELECT clones INTO c FROM roost.node WHERE node = me;
  COMMIT;
  SELECT (SELECT MAX(x.v) FROM roost.version x) AS schema_version,
      CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED) AS server_us,
      (SELECT GREATEST(10, CEIL(MAX(x.node) * 0.048)) FROM roost.node x) AS spread_s,
      5000 AS max_rows, c AS clones, a.epoch, a.lo, m.seq
    FROM (SELECT 1) one
      LEFT JOIN (SELECT i.o, i.x AS epoch, j.x AS lo FROM
          JSON_TABLE(epochs_asked, '$[*]' COLUMNS (o FOR ORDINALITY, x BIGINT PATH '$')) i
          JOIN JSON_TABLE(los, '$[*]' COLUMNS (o FOR ORDINALITY, x BIGINT PATH '$')) j ON i.o = j.o) a ON TRUE
      LEFT JOIN roost.mark m ON m.node = me AND m.epoch = a.epoch AND m.lo = a.lo
    ORDER BY a.o;
END //

-- The arguments of roost.ingest of PostgreSQL, with arrays as JSON. v has numbers alone: JSON_TABLE would take text for 0.
CREATE OR REPLACE DEFINER = roost_owner@localhost PROCEDURE roost.roost_ingest(who VARCHAR(200), tok VARCHAR(200), e BIGINT, l BIGINT,
  first BIGINT, last BIGINT, t0 BIGINT, clock_is SMALLINT, q JSON, dt JSON, s JSON, v JSON, names JSON, units JSON,
  g_why JSON, g_lo JSON, g_hi JSON, g_numbers JSON, backlog_is BIGINT, oldest_us BIGINT)
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
  DECLARE me INT;
  DECLARE m BIGINT DEFAULT NULL;
  DECLARE number_of_rows INT;
  DECLARE gaps INT;
  DECLARE given BIGINT DEFAULT 0;
  DECLARE bad INT DEFAULT 0;
  DECLARE unknown INT;
  DECLARE rejected INT DEFAULT 0;
  DECLARE upkept DATE;
  DECLARE made INT;
  DECLARE now6 DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
  SET dt = COALESCE(dt, '[]'), s = COALESCE(s, '[]'), v = COALESCE(v, '[]'), `names` = COALESCE(`names`, '[]'), units = COALESCE(units, '[]'),
      g_why = COALESCE(g_why, '[]'), g_lo = COALESCE(g_lo, '[]'), g_hi = COALESCE(g_hi, '[]'), g_numbers = COALESCE(g_numbers, '[]');
  SET number_of_rows = JSON_LENGTH(v), gaps = JSON_LENGTH(g_why);
  IF NOT COALESCE(first >= l AND last >= first AND l >= 0 AND last < 4611686018427387904 AND e IS NOT NULL AND t0 IS NOT NULL AND clock_is IS NOT NULL, FALSE) THEN
    SIGNAL SQLSTATE '22023' SET MESSAGE_TEXT = 'roost: a batch has an epoch, a time, a clock and 0 <= lo <= first <= last';
  END IF;
  IF number_of_rows > 5000 THEN
    SIGNAL SQLSTATE '54000' SET MYSQL_ERRNO = 1153, MESSAGE_TEXT = 'roost: a batch has at most 5000 rows';
  END IF;
  IF NOT COALESCE(JSON_LENGTH(dt) = number_of_rows AND JSON_LENGTH(s) = number_of_rows AND (q IS NULL OR JSON_LENGTH(q) = number_of_rows)
      AND JSON_LENGTH(names) = JSON_LENGTH(units) AND JSON_LENGTH(names) <= 255
      AND JSON_LENGTH(g_lo) = gaps AND JSON_LENGTH(g_hi) = gaps AND JSON_LENGTH(g_numbers) = gaps AND gaps <= 16
      AND dt REGEXP '^\\[[-0-9, ]*\\]$' AND s REGEXP '^\\[[-0-9, ]*\\]$' AND v REGEXP '^\\[[-+0-9.eE, ]*\\]$' AND (q IS NULL OR q REGEXP '^\\[[-0-9, ]*\\]$')
      AND g_why REGEXP '^\\[[0-9, ]*\\]$' AND g_lo REGEXP '^\\[[-0-9, ]*\\]$' AND g_hi REGEXP '^\\[[-0-9, ]*\\]$' AND g_numbers REGEXP '^\\[[0-9, ]*\\]$', FALSE) THEN
    SIGNAL SQLSTATE '22023' SET MESSAGE_TEXT = 'roost: arrays of rows, of names (at most 255) and of gaps (at most 16) are of one length each, and of numbers';
  END IF;
  IF number_of_rows > 0 AND (SELECT MIN(x) < 1 OR MAX(x) > JSON_LENGTH(names) FROM JSON_TABLE(s, '$[*]' COLUMNS (x BIGINT PATH '$')) j) THEN
    SIGNAL SQLSTATE '22023' SET MESSAGE_TEXT = 'roost: a row has a number of a name that is there';
  END IF;
  IF q IS NOT NULL AND (SELECT NOT COALESCE(COUNT(*) = 0 OR MIN(x) >= 0 AND MAX(x) <= last - first AND SUM(x <= b) = 0, FALSE)
      FROM (SELECT x, COALESCE(LAG(x) OVER (ORDER BY o), -1) AS b FROM JSON_TABLE(q, '$[*]' COLUMNS (o FOR ORDINALITY, x BIGINT PATH '$')) j) w) THEN
    SIGNAL SQLSTATE '22023' SET MESSAGE_TEXT = 'roost: offsets of rows rise, from 0 to last - first';
  END IF;
  IF gaps > 0 THEN
    SELECT SUM(n.x), SUM(NOT COALESCE(a.x >= first AND b.x <= last AND n.x >= 1 AND n.x <= b.x - a.x + 1, FALSE)) INTO given, bad
      FROM JSON_TABLE(g_lo, '$[*]' COLUMNS (o FOR ORDINALITY, x BIGINT PATH '$')) a
        JOIN JSON_TABLE(g_hi, '$[*]' COLUMNS (o FOR ORDINALITY, x BIGINT PATH '$')) b ON a.o = b.o
        JOIN JSON_TABLE(g_numbers, '$[*]' COLUMNS (o FOR ORDINALITY, x BIGINT PATH '$')) n ON a.o = n.o;
  END IF;
  IF bad > 0 OR NOT COALESCE(number_of_rows + given = last - first + 1, FALSE) THEN
    SIGNAL SQLSTATE '22023' SET MESSAGE_TEXT = 'roost: rows and gaps do not account for all numbers from first to last';
  END IF;

  -- Partitions are made outside of the transaction: that commits. One who could not goes on with those that are there.
  SELECT day INTO upkept FROM roost.upkeep;
  IF upkept < UTC_DATE() THEN
    BEGIN
      DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
      IF upkept >= UTC_DATE() - INTERVAL 7 DAY AND IS_USED_LOCK('roost.tend') IS NOT NULL THEN SET made = 0;
      ELSE
        START TRANSACTION;
        CALL roost.whoami(who, tok, me);
        COMMIT;
        IF me IS NOT NULL THEN CALL roost.tend(8, NULL, made); END IF;
      END IF;
    END;
  END IF;

  START TRANSACTION;
  CALL roost.whoami(who, tok, me);
  SELECT MAX(x.seq) INTO m FROM roost.mark x WHERE x.node = me AND x.epoch = e AND x.lo = l FOR UPDATE;
  IF m IS NULL THEN
    INSERT INTO roost.mark VALUES (me, e, l, l - 1);
    SET m = l - 1;
  END IF;
  IF first = m + 1 THEN
    IF number_of_rows > 0 THEN
      SELECT COUNT(*) INTO unknown FROM JSON_TABLE(names, '$[*]' COLUMNS (o FOR ORDINALITY, name VARCHAR(200) PATH '$')) a
        JOIN JSON_TABLE(units, '$[*]' COLUMNS (o FOR ORDINALITY, unit VARCHAR(200) PATH '$')) b ON a.o = b.o
        LEFT JOIN roost.sensor x ON x.node = me AND x.name = a.name AND x.unit = b.unit WHERE x.sensor IS NULL;
      IF unknown > 0 THEN
        -- A name that cannot be one has no sensor, and its rows are refused one by one.
        INSERT INTO roost.sensor(node, name, unit) SELECT DISTINCT me, a.name, b.unit
          FROM JSON_TABLE(names, '$[*]' COLUMNS (o FOR ORDINALITY, name VARCHAR(200) PATH '$')) a
            JOIN JSON_TABLE(units, '$[*]' COLUMNS (o FOR ORDINALITY, unit VARCHAR(200) PATH '$')) b ON a.o = b.o
            LEFT JOIN roost.sensor x ON x.node = me AND x.name = a.name AND x.unit = b.unit
          WHERE x.sensor IS NULL AND a.name <> '' AND b.unit IS NOT NULL;
        IF (SELECT COUNT(*) FROM roost.sensor x WHERE x.node = me) > 10000 THEN
          SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'roost: a node has at most 10000 names of sensors: is a changing number part of a name?';
        END IF;
      END IF;
      BEGIN
        -- No partition, no table, no room: those are no fault of a row.
        DECLARE EXIT HANDLER FOR 1048, 1264, 1292, 1365, 1366, 1367, 1406, 1441, 1690, 1062, 1452, 4025
          CALL roost.ingest_rows(me, e, first, t0, clock_is, q, dt, s, v, names, units, now6, number_of_rows, rejected);
        INSERT INTO roost.reading(node, epoch, seq, sensor, t, clock, v, arrived)
          SELECT me, e, first + COALESCE(r.p, r.o - 1), z.sensor, TIMESTAMPADD(MICROSECOND, (t0 + r.at) * 1000, '1970-01-01'), clock_is, r.x, now6
          FROM (SELECT o, p, k, x, SUM(d) OVER (ORDER BY o) AS at FROM
              (SELECT o, CAST(MAX(IF(c = 1, x, NULL)) AS SIGNED) AS d, CAST(MAX(IF(c = 2, x, NULL)) AS SIGNED) AS k, MAX(IF(c = 3, x, NULL)) AS x,
                  CAST(MAX(IF(c = 4, x, NULL)) AS SIGNED) AS p
                FROM (SELECT 1 AS c, o, x FROM JSON_TABLE(dt, '$[*]' COLUMNS (o FOR ORDINALITY, x DOUBLE PATH '$')) j1
                  UNION ALL SELECT 2, o, x FROM JSON_TABLE(s, '$[*]' COLUMNS (o FOR ORDINALITY, x DOUBLE PATH '$')) j2
                  UNION ALL SELECT 3, o, x FROM JSON_TABLE(v, '$[*]' COLUMNS (o FOR ORDINALITY, x DOUBLE PATH '$')) j3
                  UNION ALL SELECT 4, o, x FROM JSON_TABLE(COALESCE(q, '[]'), '$[*]' COLUMNS (o FOR ORDINALITY, x DOUBLE PATH '$')) j4) u
                GROUP BY o) w) r
            JOIN (SELECT a.o, y.sensor FROM JSON_TABLE(names, '$[*]' COLUMNS (o FOR ORDINALITY, name VARCHAR(200) PATH '$')) a
                JOIN JSON_TABLE(units, '$[*]' COLUMNS (o FOR ORDINALITY, unit VARCHAR(200) PATH '$')) b ON a.o = b.o
                LEFT JOIN roost.sensor y ON y.node = me AND y.name = a.name AND y.unit = b.unit) z ON z.o = r.k;
      END;
    END IF;
    IF gaps > 0 THEN
      INSERT INTO roost.gap(node, epoch, lo, hi, why, numbers, at) SELECT me, e, a.x, b.x, w.x, n.x, now6
        FROM JSON_TABLE(g_lo, '$[*]' COLUMNS (o FOR ORDINALITY, x BIGINT PATH '$')) a
          JOIN JSON_TABLE(g_hi, '$[*]' COLUMNS (o FOR ORDINALITY, x BIGINT PATH '$')) b ON a.o = b.o
          JOIN JSON_TABLE(g_why, '$[*]' COLUMNS (o FOR ORDINALITY, x SMALLINT PATH '$')) w ON a.o = w.o
          JOIN JSON_TABLE(g_numbers, '$[*]' COLUMNS (o FOR ORDINALITY, x BIGINT PATH '$')) n ON a.o = n.o;
    END IF;
    UPDATE roost.mark x SET x.seq = last WHERE x.node = me AND x.epoch = e AND x.lo = l;
    UPDATE roost.node x SET x.seen = now6, x.backlog = backlog_is,
        x.oldest = IF(oldest_us BETWEEN -62135596800000000 AND 253402300799000000, TIMESTAMPADD(MICROSECOND, oldest_us, '1970-01-01'), NULL)
      WHERE x.node = me;
    SET m = last;
  END IF;
  COMMIT;
  SELECT m AS mark, rejected AS rejected;
END //

-- Rows one by one: what the table refuses for a row's own sake goes into roost.reject.
CREATE OR REPLACE DEFINER = roost_owner@localhost PROCEDURE roost.ingest_rows(me INT, e BIGINT, first BIGINT, t0 BIGINT, clock_is SMALLINT,
  q JSON, dt JSON, s JSON, v JSON, names JSON, units JSON, now6 DATETIME(6), number_of_rows INT, OUT rejected INT)
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
  DECLARE i INT DEFAULT 0;
  DECLARE at BIGINT DEFAULT 0;
  DECLARE p BIGINT;
  DECLARE k INT;
  DECLARE x DOUBLE;
  DECLARE z INT;
  DECLARE number INT;
  DECLARE words VARCHAR(500);
  DECLARE text VARCHAR(128);
  SET rejected = 0;
  WHILE i < number_of_rows DO
    SET at = at + JSON_VALUE(dt, CONCAT('$[', i, ']')), k = JSON_VALUE(s, CONCAT('$[', i, ']')) - 1,
        p = IF(q IS NULL, i, JSON_VALUE(q, CONCAT('$[', i, ']'))), number = 0;
    SET z = (SELECT y.sensor FROM roost.sensor y WHERE y.node = me AND y.name = JSON_VALUE(names, CONCAT('$[', k, ']'))
        AND y.unit = JSON_VALUE(units, CONCAT('$[', k, ']')));
    BEGIN
      DECLARE EXIT HANDLER FOR 1048, 1264, 1292, 1365, 1366, 1367, 1406, 1441, 1690, 1062, 1452, 4025
        GET DIAGNOSTICS CONDITION 1 number = MYSQL_ERRNO, words = MESSAGE_TEXT;
      SET x = JSON_VALUE(v, CONCAT('$[', i, ']'));
      INSERT INTO roost.reading(node, epoch, seq, sensor, t, clock, v, arrived)
        VALUES (me, e, first + p, z, TIMESTAMPADD(MICROSECOND, (t0 + at) * 1000, '1970-01-01'), clock_is, x, now6);
    END;
    IF number <> 0 THEN
      SET rejected = rejected + 1;
      IF rejected > 20 AND rejected * 100 > number_of_rows THEN
        SET text = LEFT(CONCAT('roost: most rows refused: more than 20 and 1 % of a batch, the last with ', number, ' ', words), 128);
        SIGNAL SQLSTATE 'P0001' SET MESSAGE_TEXT = text;
      END IF;
      INSERT INTO roost.reject(node, epoch, seq, t, name, unit, v, state, why, at)
        VALUES (me, e, first + p, IF(CAST(t0 AS DECIMAL(30)) + at BETWEEN -62135596800000 AND 253402300799000, TIMESTAMPADD(MICROSECOND, (t0 + at) * 1000, '1970-01-01'), NULL),
          LEFT(JSON_VALUE(names, CONCAT('$[', k, ']')), 200), LEFT(JSON_VALUE(units, CONCAT('$[', k, ']')), 200),
          LEFT(JSON_VALUE(v, CONCAT('$[', i, ']')), 64), number, words, now6);
    END IF;
    SET i = i + 1;
  END WHILE;
END //

CREATE OR REPLACE DEFINER = roost_owner@localhost PROCEDURE roost.roost_beat(who VARCHAR(200), tok VARCHAR(200), e BIGINT, version_is VARCHAR(200),
  uptime BIGINT, taken_is BIGINT, sealed_is BIGINT, waiting_is BIGINT, dropped_is BIGINT)
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
  DECLARE me INT;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
  START TRANSACTION;
  CALL roost.whoami(who, tok, me);
  UPDATE roost.node SET seen = UTC_TIMESTAMP(6), version = LEFT(version_is, 64), uptime_s = uptime, taken = taken_is, sealed = sealed_is,
      waiting = waiting_is, dropped = dropped_is WHERE node = me;
  COMMIT;
  SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED) AS server_us;
END //

CREATE OR REPLACE DEFINER = roost_owner@localhost PROCEDURE roost.roost_enroll(code_is VARCHAR(200), name_is VARCHAR(1000), machine_is VARCHAR(1000))
SQL SECURITY DEFINER MODIFIES SQL DATA
BEGIN
  DECLARE hash BINARY(32) DEFAULT UNHEX(SHA2(code_is, 256));
  DECLARE fresh VARCHAR(64) DEFAULT LOWER(HEX(RANDOM_BYTES(32)));
  DECLARE left_over INT DEFAULT NULL;
  DECLARE good_until DATETIME(6);
  DECLARE have INT DEFAULT NULL;
  DECLARE same BOOL;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
  IF NULLIF(machine_is, '') IS NULL OR CHAR_LENGTH(machine_is) > 64 OR CHAR_LENGTH(name_is) NOT BETWEEN 1 AND 200 OR name_is REGEXP '[[:cntrl:]]' THEN
    SIGNAL SQLSTATE '22023' SET MESSAGE_TEXT = 'roost: enrolment takes a name, 1 to 200 letters, and the machine, 1 to 64';
  END IF;
  START TRANSACTION;
  SELECT MAX(nodes_left), MAX(until) INTO left_over, good_until FROM roost.enrol_code WHERE code = hash FOR UPDATE;
  IF left_over IS NULL THEN SIGNAL SQLSTATE '42501' SET MYSQL_ERRNO = 1142, MESSAGE_TEXT = 'roost: the enrolment code is wrong'; END IF;
  IF good_until <= UTC_TIMESTAMP(6) THEN SIGNAL SQLSTATE '42501' SET MYSQL_ERRNO = 1142, MESSAGE_TEXT = 'roost: the enrolment code has expired'; END IF;
  SELECT MAX(node), MAX(enrolled_by <=> hash AND machine <=> machine_is AND seen IS NULL AND enabled) INTO have, same FROM roost.node WHERE name = name_is FOR UPDATE;
  IF have IS NULL THEN
    IF left_over < 1 THEN SIGNAL SQLSTATE '42501' SET MYSQL_ERRNO = 1142, MESSAGE_TEXT = 'roost: the enrolment code is used up'; END IF;
    UPDATE roost.enrol_code SET nodes_left = nodes_left - 1 WHERE code = hash;
    INSERT INTO roost.node(name, token, enrolled_by, machine, made) VALUES (name_is, UNHEX(SHA2(fresh, 256)), hash, machine_is, UTC_TIMESTAMP(6));
  ELSEIF same THEN
    UPDATE roost.node SET token = UNHEX(SHA2(fresh, 256)) WHERE node = have;
  ELSE
    SIGNAL SQLSTATE '23505' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = 'roost: there is a node of that name: choose another name, or roostctl server rotate-token';
  END IF;
  COMMIT;
  SELECT fresh AS token;
END //

-- For administrators, who run these as themselves. names: a JSON array.
CREATE OR REPLACE PROCEDURE roost.roost_add_nodes(names JSON)
SQL SECURITY INVOKER MODIFIES SQL DATA
BEGIN
  CREATE OR REPLACE TEMPORARY TABLE roost.made(name VARCHAR(200) COLLATE utf8mb4_bin, token VARCHAR(64)) AS
    SELECT j.name, LOWER(HEX(RANDOM_BYTES(32))) AS token FROM JSON_TABLE(names, '$[*]' COLUMNS (name VARCHAR(200) PATH '$')) j
      LEFT JOIN roost.node n ON n.name = j.name COLLATE utf8mb4_bin WHERE n.node IS NULL;
  INSERT INTO roost.node(name, token, made) SELECT name, UNHEX(SHA2(token, 256)), UTC_TIMESTAMP(6) FROM roost.made;
  SELECT name, token FROM roost.made ORDER BY name;
  DROP TEMPORARY TABLE roost.made;
END //

CREATE OR REPLACE PROCEDURE roost.roost_rotate_tokens(names JSON, days INT)
SQL SECURITY INVOKER MODIFIES SQL DATA
BEGIN
  CREATE OR REPLACE TEMPORARY TABLE roost.made(name VARCHAR(200) COLLATE utf8mb4_bin, token VARCHAR(64)) AS
    SELECT j.name, LOWER(HEX(RANDOM_BYTES(32))) AS token FROM JSON_TABLE(names, '$[*]' COLUMNS (name VARCHAR(200) PATH '$')) j
      JOIN roost.node n ON n.name = j.name COLLATE utf8mb4_bin;
  UPDATE roost.node n JOIN roost.made m ON m.name = n.name SET n.old_token = IF(days > 0, n.token, NULL),
      n.old_until = IF(days > 0, UTC_TIMESTAMP(6) + INTERVAL days DAY, NULL), n.token = UNHEX(SHA2(m.token, 256)),
      n.clones = 0, n.cloned = NULL, n.machine_before = NULL, n.machine_before_seen = NULL, n.epochs = '';
  SELECT name, token FROM roost.made ORDER BY name;
  DROP TEMPORARY TABLE roost.made;
END //

CREATE OR REPLACE PROCEDURE roost.roost_enable_nodes(names JSON, on_or_off INT)
SQL SECURITY INVOKER MODIFIES SQL DATA
BEGIN
  UPDATE roost.node n JOIN JSON_TABLE(names, '$[*]' COLUMNS (name VARCHAR(200) PATH '$')) j ON n.name = j.name COLLATE utf8mb4_bin
    SET n.enabled = on_or_off;
  SELECT n.name FROM roost.node n JOIN JSON_TABLE(names, '$[*]' COLUMNS (name VARCHAR(200) PATH '$')) j ON n.name = j.name COLLATE utf8mb4_bin;
END //

CREATE OR REPLACE PROCEDURE roost.roost_enroll_code(nodes BIGINT, seconds BIGINT)
SQL SECURITY INVOKER MODIFIES SQL DATA
BEGIN
  DECLARE fresh VARCHAR(64) DEFAULT LOWER(HEX(RANDOM_BYTES(32)));
  DELETE FROM roost.enrol_code WHERE until < UTC_TIMESTAMP(6) - INTERVAL 30 DAY;
  INSERT INTO roost.enrol_code VALUES (UNHEX(SHA2(fresh, 256)), nodes, UTC_TIMESTAMP(6) + INTERVAL seconds SECOND, UTC_TIMESTAMP(6));
  SELECT fresh AS code;
END //

CREATE OR REPLACE PROCEDURE roost.roost_tend(days BIGINT, keep BIGINT)
SQL SECURITY INVOKER MODIFIES SQL DATA
BEGIN
  DECLARE made INT;
  CALL roost.tend(days, keep, made);
  SELECT CAST(made AS SIGNED) AS made;
END //
DELIMITER ;

CREATE OR REPLACE VIEW roost.readings AS
  SELECT n.name AS node, s.name, s.unit, r.t, r.v, r.clock, r.arrived, r.epoch, r.seq
  FROM roost.reading r JOIN roost.node n ON n.node = r.node JOIN roost.sensor s ON s.sensor = r.sensor;

CREATE OR REPLACE VIEW roost.nodes AS
  SELECT n.name, n.enabled, n.seen, TIMESTAMPDIFF(SECOND, n.seen, UTC_TIMESTAMP(6)) AS silent_s, n.version, n.uptime_s, n.taken, n.sealed,
    n.waiting, n.dropped, n.backlog, n.oldest, TIMESTAMPDIFF(SECOND, n.oldest, UTC_TIMESTAMP(6)) AS oldest_s, n.clones, n.cloned,
    n.machine, n.machine_seen, n.machine_before, n.machine_before_seen, n.epochs, n.made, n.old_until AS old_token_until
  FROM roost.node n;

CREATE OR REPLACE VIEW roost.silent AS
  SELECT n.name, n.seen, TIMESTAMPDIFF(SECOND, n.seen, UTC_TIMESTAMP(6)) AS silent_s, n.waiting, n.oldest, n.made
  FROM roost.node n WHERE n.enabled AND (n.seen IS NULL OR n.seen < UTC_TIMESTAMP(6) - INTERVAL 15 MINUTE) ORDER BY n.seen, n.name;

CREATE OR REPLACE VIEW roost.balance AS
  SELECT n.name AS node, m.epoch, m.accounted, COALESCE(r.readings, 0) AS readings, COALESCE(j.rejects, 0) AS rejects, COALESCE(g.gaps, 0) AS gaps,
    CAST(m.accounted - COALESCE(r.readings, 0) - COALESCE(j.rejects, 0) - COALESCE(g.gaps, 0) - COALESCE(d.readings, 0) AS SIGNED) AS missing,
    COALESCE(d.readings, 0) AS retired
  FROM (SELECT node, epoch, CAST(SUM(seq - lo + 1) AS SIGNED) AS accounted FROM roost.mark GROUP BY node, epoch) m
    JOIN roost.node n ON n.node = m.node
    LEFT JOIN (SELECT node, epoch, COUNT(*) AS readings FROM roost.reading GROUP BY node, epoch) r ON r.node = m.node AND r.epoch = m.epoch
    LEFT JOIN (SELECT node, epoch, COUNT(*) AS rejects FROM roost.reject GROUP BY node, epoch) j ON j.node = m.node AND j.epoch = m.epoch
    LEFT JOIN (SELECT node, epoch, CAST(SUM(numbers) AS SIGNED) AS gaps FROM roost.gap GROUP BY node, epoch) g ON g.node = m.node AND g.epoch = m.epoch
    LEFT JOIN roost.retired d ON d.node = m.node AND d.epoch = m.epoch;

GRANT EXECUTE ON PROCEDURE roost.roost_hello TO roost_node@'%';

GRANT EXECUTE ON PROCEDURE roost.roost_ingest TO roost_node@'%';

GRANT EXECUTE ON PROCEDURE roost.roost_beat TO roost_node@'%';

GRANT EXECUTE ON PROCEDURE roost.roost_enroll TO roost_node@'%';

CALL roost.tend(8, NULL, @roost_made);

INSERT IGNORE INTO roost.version(v, at) VALUES (1, UTC_TIMESTAMP(6));
