/* outbox.pml - a model of the outbox: node, card, link and server. See README.md here.
 *
 * One process; each step is a transaction of the node's database, a step of a call, or a fault. Numbers
 * are given to readings of an epoch; the node's tables are `now` and, as far as the card has them for
 * certain, `safe`. A fault takes from a budget. When the faults stop (`calm`), the rest has to arrive.
 *
 * Errors show as assertions. Faults in the design, all off: the macros that begin with M_; run.sh
 * switches each on in turn.
 */
#ifndef N
#define N 3 /* numbers that are given out, at most 4 */
#endif
#ifndef CUTS
#define CUTS 0 /* times that the node loses its power or is killed; each begins another epoch */
#endif
#ifndef LOST
#define LOST 0 /* calls whose request or answer is lost, or that go on in the server after the node gave up */
#endif
#ifndef BACK
#define BACK 0 /* times that the server goes back: to a standby that lagged, or to a copy */
#endif
#ifndef FRESH
#define FRESH 0 /* times that the node puts what is fresh before what waits */
#endif
/* HOLES: a number may be taken and never given to a reading. SETTLED: readings that were acknowledged are
 * deleted. FULL: readings that were not are given up, too. FORGET: finished segments are deleted.
 * LOWER: what is fresh may begin with a number that is given out already. */

#define E (CUTS + 1)
#ifdef LOWER
#define S (1 + 2 * CUTS + FRESH) /* segments, at most 4 */
#else
#define S (1 + CUTS + FRESH)
#endif

/* ---- The node's tables ------------------------------------------------------------------------ */

#define OPEN 15 /* hi of the segment without an end */

typedef Segment {
	byte epoch; /* 0: not there */
	byte lo;
	byte hi;
	byte sent;  /* what the server is believed to have */
	byte acked; /* the greatest `sent` ever */
}

typedef Tables {
	byte next;       /* the number that is given out next */
	byte row[N + 1]; /* the epoch of the reading with this number; 0: none */
	byte gap[N + 1]; /* the epoch of the number that was given up */
	byte was[N + 1]; /* ghost: the epoch in which it was given to a reading */
	Segment seg[S];
}

Tables now;
Tables safe;

inline copy_tables(from, to) {
	to.next = from.next;
	i = 0;
	do
	:: i <= N -> to.row[i] = from.row[i]; to.gap[i] = from.gap[i]; to.was[i] = from.was[i]; i++
	:: else -> break
	od;
	i = 0;
	do
	:: i < S ->
		to.seg[i].epoch = from.seg[i].epoch; to.seg[i].lo = from.seg[i].lo; to.seg[i].hi = from.seg[i].hi;
		to.seg[i].sent = from.seg[i].sent; to.seg[i].acked = from.seg[i].acked; i++
	:: else -> break
	od;
	i = 0
}

inline seal() { copy_tables(now, safe) }

/* A commit that is not sealed: the card may have it, or not yet. */
inline commit() { if :: true -> skip :: calm == 0 -> seal() fi }

#define SEALED(n) ((n) < safe.next)

/* ---- The server ------------------------------------------------------------------------------- */

#define KEY(epoch, lo) (((epoch) - 1) * (N + 1) + (lo))
#define PLACE(epoch, n) (((epoch) - 1) * (N + 1) + (n))
#define NOTHING 0
#define READING 1
#define GAP 2

typedef Server {
	byte mark[E * (N + 1) + 2]; /* by segment: 0 none, else the mark + 1 */
	byte has[E * (N + 1) + 1];  /* by number */
}

#ifdef FORGET
bool forgotten[E * (N + 1) + 1]; /* ghost: the node has deleted its segment */
#endif
Server server;
Server kept; /* some state of before, of the standby or the copy */
bool had[E * (N + 1) + 1]; /* ghost: the server has had it, as a reading or as a gap */

inline copy_server(from, to) {
	i = 0;
	do :: i < E * (N + 1) + 2 -> to.mark[i] = from.mark[i]; i++ :: else -> break od;
	i = 0;
	do :: i < E * (N + 1) + 1 -> to.has[i] = from.has[i]; i++ :: else -> break od;
	i = 0
}

/* Before a transaction of the server: this state may be the one that it goes back to. */
inline may_be_kept() {
	if
	:: true
#if BACK > 0
	:: backs < BACK && calm == 0 -> copy_server(server, kept)
#endif
	fi
}

/* ---- Calls ------------------------------------------------------------------------------------ */

#define NONE 0
#define HELLO 1
#define INGEST 2

typedef Call {
	byte kind;
	byte s;     /* the node's place of the segment */
	byte epoch;
	byte lo;
	byte first;
	byte last;
	byte why[N + 1]; /* of each number: 0 a reading, else the reason of its gap */
}

#define GIVEN_UP 1
#define SETTLED_ 4
#define UNUSED 5

Call call;
bool answered;     /* the call was: */
byte answer[S];    /* marks + 1 */
bool stored;       /* ghost */
Call late;         /* a call that the node gave up, and which goes on */

inline copy_call(from, to) {
	to.kind = from.kind; to.epoch = from.epoch; to.lo = from.lo; to.first = from.first; to.last = from.last;
	i = 0;
	do :: i <= N -> to.why[i] = from.why[i]; i++ :: else -> break od;
	i = 0
}

inline clear_call(c) {
	c.kind = NONE; c.s = 0; c.epoch = 0; c.lo = 0; c.first = 0; c.last = 0; i = 0;
	do :: i <= N -> c.why[i] = 0; i++ :: else -> break od;
	i = 0
}

inline clear_answer() {
	answered = 0; stored = 0; i = 0;
	do :: i < S -> answer[i] = 0; i++ :: else -> break od;
	i = 0
}

/* roost.ingest: one transaction. Leaves the mark + 1 in `m`. */
inline ingest(c) {
	k = KEY(c.epoch, c.lo); m = server.mark[k];
	if :: m == 0 -> m = c.lo :: else fi;
#ifdef M_SERVER_TAKES_WHAT_IT_HAS
	if :: c.first <= m -> did = 1 :: else fi;
#else
#ifdef M_SERVER_TAKES_WHAT_COMES_LATER
	if :: c.first >= m -> did = 1 :: else fi;
#else
	if :: c.first == m -> did = 1 :: else fi;
#endif
#endif
	if
	:: did ->
		may_be_kept();
		i = c.first;
		do
		:: i <= c.last ->
			p = PLACE(c.epoch, i);
			assert(server.has[p] == NOTHING);                       /* nothing twice */
			if
			:: c.why[i] == 0 -> server.has[p] = READING
			:: else -> server.has[p] = GAP
			fi;
			had[p] = 1; i++
		:: else -> break
		od;
		i = 0; p = 0;
#ifdef M_MARK_OUTSIDE_THE_TRANSACTION
		may_be_kept();
#endif
		m = c.last + 1; server.mark[k] = m
	:: else
	fi;
	check_marks()
}

/* What the server's marks promise: each number up to them is there. The view roost.balance says the same. */
inline check_marks() {
	k = 1;
	do
	:: k < E * (N + 1) + 2 ->
		if
		:: server.mark[k] ->
			/* k = (e - 1) * (N + 1) + lo; lo is never 0 */
			i = k;
			do
			:: i < k + server.mark[k] - 1 - ((k - 1) % (N + 1)) -> assert(server.has[i] != NOTHING); i++
			:: else -> break
			od;
			i = 0
		:: else
		fi;
		k++
	:: else -> break
	od;
	k = 0
}

/* ---- Everything else -------------------------------------------------------------------------- */

byte epoch = 1; /* of this run of the node */
bool up;        /* the node has a connection that is still good */
bool greeted;   /* and has asked for the marks on it */
bool calm;      /* no more faults, readings or deletions */
byte cuts, losses, backs, cuttings;
#ifdef LOWER
byte left; /* ghost: the greatest number that was in a call */
#endif

#define HAS_END(s) (now.seg[s].hi != OPEN)
#define FINISHED(s) (now.seg[s].epoch && HAS_END(s) && now.seg[s].sent >= now.seg[s].hi)

#define IS_OPEN(s) (now.seg[s].epoch && !HAS_END(s))
#if S == 1
#define NO_SEGMENT (!IS_OPEN(0))
#elif S == 2
#define NO_SEGMENT (!IS_OPEN(0) && !IS_OPEN(1))
#elif S == 3
#define NO_SEGMENT (!IS_OPEN(0) && !IS_OPEN(1) && !IS_OPEN(2))
#else
#define NO_SEGMENT (!IS_OPEN(0) && !IS_OPEN(1) && !IS_OPEN(2) && !IS_OPEN(3))
#endif

/* The epoch of a number that has a reading or a gap. */
#define OWNER(n) (now.row[n] + now.gap[n]) /* one of them is 0 */
#ifdef M_GAPS_OF_THE_NEXT_EPOCH_UNSEEN
#define NOBODYS(n) (!now.row[n])
#else
#define NOBODYS(n) (!now.row[n] && !now.gap[n])
#endif

/* At a new connection. */
#if defined(M_FINISHED_SEGMENTS_ARE_NOT_ASKED_FOR)
#define ASKED_FOR(s) (!FINISHED(s))
#elif defined(M_NOBODY_ASKS_AT_A_NEW_CONNECTION)
#define ASKED_FOR(s) (0)
#else
#define ASKED_FOR(s) (1)
#endif

/* The last number that a batch of `s` may account for, into `m`. */
inline find_limit(s) {
	m = now.seg[s].hi;
#ifdef M_UNSEALED_READINGS_LEAVE
	if :: m >= now.next -> m = now.next - 1 :: else fi;
#else
	if :: m >= safe.next -> m = safe.next - 1 :: else fi;
#endif
}

/* The first number after `sent` of `s` with a reading or a gap of another epoch, into `f`; or OPEN. */
inline find_foreign(s) {
	f = now.seg[s].sent + 1;
	do
	:: f > m -> f = OPEN; break
	:: f <= m && !NOBODYS(f) && OWNER(f) != now.seg[s].epoch -> break
	:: else -> f++
	od
}

/* The last number that has anything to say, into `f`: a segment without an end does not know what comes. */
inline find_last(s) {
	find_foreign(s);
	if :: f != OPEN -> m = f - 1 :: else fi;
	f = m;
	if
	:: HAS_END(s)
	:: else ->
		do
		:: f <= now.seg[s].sent -> break
		:: f > now.seg[s].sent && (now.row[f] || now.gap[f] || f <= now.seg[s].acked) -> break
		:: else -> f--
		od
	fi
}

/* A batch of `s` from its `sent` to `f`. */
inline build(s) {
	call.kind = INGEST; call.s = s; call.epoch = now.seg[s].epoch; call.lo = now.seg[s].lo;
	call.first = now.seg[s].sent + 1; call.last = f;
#ifdef LOWER
	if :: f > left -> left = f :: else fi;
#endif
	i = call.first;
	do
	:: i <= f ->
		if
		:: now.row[i] == call.epoch -> call.why[i] = 0; assert(safe.was[i] == call.epoch) /* only what is sealed leaves */
		:: else ->
			if
			:: now.gap[i] == call.epoch -> call.why[i] = GIVEN_UP
			:: now.gap[i] != call.epoch && i <= now.seg[s].acked ->
				call.why[i] = SETTLED_; assert(now.was[i] != call.epoch || had[PLACE(call.epoch, i)])
			:: else -> call.why[i] = UNUSED; assert(now.was[i] != call.epoch) /* the reason is true */
			fi
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* The node takes a mark for what the server has of `s`. `m`: the mark + 1, or 0. */
inline take(s) {
	if :: m == 0 -> m = now.seg[s].lo - 1 :: else -> m-- fi;
	if
	:: m == now.seg[s].sent
	:: m > now.seg[s].sent ->
#ifdef M_THE_MARK_IS_NOT_LOOKED_AT
		if :: call.kind == INGEST && m == call.last -> skip :: else -> m = now.seg[s].sent fi;
#endif
		if :: m != now.seg[s].sent -> did = 1 :: else fi;
		now.seg[s].sent = m
	:: m < now.seg[s].sent ->
		assert(backs); /* a mark falls when the server went back, and only then */
#if !defined(M_THE_ACKNOWLEDGEMENT_IS_TRUSTED) && !defined(M_THE_MARK_IS_NOT_LOOKED_AT)
		now.seg[s].sent = m; did = 1
#endif
	fi;
#ifdef M_ACKED_GOES_BACK
	now.seg[s].acked = now.seg[s].sent
#else
	if :: now.seg[s].acked < now.seg[s].sent -> now.seg[s].acked = now.seg[s].sent :: else fi
#endif
}

/* A free place for a segment, into `f`. */
inline find_place() {
	f = 0;
	do :: f < S && now.seg[f].epoch -> f++ :: else -> break od;
	assert(f < S)
}

inline write_segment(at, e, first, last) {
	now.seg[at].epoch = e; now.seg[at].lo = first; now.seg[at].hi = last; now.seg[at].sent = first - 1;
	now.seg[at].acked = first - 1
}

inline no_segment(s) { now.seg[s].epoch = 0; now.seg[s].lo = 0; now.seg[s].hi = 0; now.seg[s].sent = 0; now.seg[s].acked = 0 }

/* The segment whose numbers `n` of its epoch is among, into `s`; or S. */
inline find_segment(n) {
	s = 0;
	do
	:: s < S && !(now.seg[s].epoch && now.seg[s].epoch == now.row[n] && now.seg[s].lo <= n && n <= now.seg[s].hi) -> s++
	:: else -> break
	od
}

/* Numbers that wait, into `f`: those after the greatest `sent` of a segment without an end, `s`. */
inline find_open() {
	s = 0;
	do :: s < S && !IS_OPEN(s) -> s++ :: else -> break od
}

/* What is sealed and was given to a reading is on the server, once; each mark says so and the node knows. */
inline check_end() {
	n = 1;
	do
	:: n <= N -> assert(!safe.was[n] || server.has[PLACE(safe.was[n], n)] != NOTHING); n++
	:: else -> break
	od;
	n = 0;
	check_marks()
}

/* A node starts again. */
inline restart() {
	epoch++; up = 0; greeted = 0;
	if :: call.kind == INGEST && !answered && late.kind == NONE -> copy_call(call, late) :: true fi;
	clear_call(call); clear_answer()
}

active proctype World() {
	byte s, n, i, k, m, f, p;
	bool did;
	atomic { now.next = 1; safe.next = 1 };
next:
	do
	/* ---- the node takes readings and seals them ---- */
	:: atomic { !calm && now.next <= N ->
		n = now.next;
#ifdef M_NUMBERS_FROM_THE_READINGS
		n = N;
		do :: n && !now.row[n] -> n-- :: else -> break od;
		n++;
#endif
		assert(now.was[n] != epoch); /* a number is given out once in an epoch */
		if
		:: now.row[n] = epoch; now.was[n] = epoch
#ifdef HOLES
		:: skip
#endif
		fi;
		now.next = n + 1; n = 0 }
	:: atomic { now.next != safe.next -> seal() }

	/* ---- and deletes them ---- */
#ifdef SETTLED
	:: atomic { !calm ->
		select(n : 1 .. N);
		find_segment(n);
		if
#ifdef M_DELETED_BY_TIME
		:: now.row[n] -> now.row[n] = 0; commit()
#else
#ifdef M_SETTLED_WHEN_IT_LEAVES
		:: now.row[n] && call.kind == INGEST && call.s == s && n <= call.last -> now.row[n] = 0; commit()
#endif
		:: now.row[n] && s < S && n <= now.seg[s].acked -> now.row[n] = 0; commit()
#endif
		:: else
		fi;
		n = 0; s = 0 }
#endif
#ifdef FULL
	:: atomic { !calm ->
		select(n : 1 .. N);
		find_segment(n);
		if
		:: now.row[n] && !(s < S && n <= now.seg[s].acked) ->
#ifdef M_GAP_IN_ANOTHER_TRANSACTION
			f = now.row[n]; now.row[n] = 0; commit(); now.gap[n] = f; f = 0;
#else
			now.gap[n] = now.row[n]; now.row[n] = 0;
#endif
			commit()
		:: else
		fi;
		n = 0; s = 0 }
#endif

	/* ---- segments ---- */
	:: atomic { NO_SEGMENT -> /* the first one begins with the first reading or gap */
		f = 1;
		do
		:: f < safe.next && NOBODYS(f) -> f++
		:: else -> break
		od;
		if
		:: f < safe.next -> n = f; find_place(); write_segment(f, OWNER(n), n, OPEN); n = 0; seal()
		:: else
		fi;
		f = 0 }
	:: atomic { call.kind == NONE && up && greeted ->
		select(s : 0 .. S - 1);
		m = 0;
		if :: now.seg[s].epoch -> find_limit(s) :: else fi;
		if
		:: m > now.seg[s].sent && now.seg[s].epoch ->
			find_foreign(s);
			if
			:: f != OPEN -> /* another epoch begins in it */
				n = f; k = now.seg[s].hi; now.seg[s].hi = n - 1;
				find_place();
				write_segment(f, OWNER(n), n, k);
				seal()
			:: f == OPEN || f > now.seg[s].sent + 1 -> /* a batch, of one number or of all that there are */
				find_last(s);
				if :: f > now.seg[s].sent + 1 -> f = now.seg[s].sent + 1 :: true fi;
				if :: f > now.seg[s].sent -> build(s) :: else fi
			fi
		:: else
		fi;
		s = 0; m = 0; f = 0; n = 0; k = 0 }
#ifdef FORGET
#ifdef M_FORGOTTEN_BEFORE_ASKING
	:: atomic { !calm && call.kind == NONE ->
#else
	:: atomic { !calm && call.kind == NONE && up && greeted ->
#endif
		select(s : 0 .. S - 1);
		if
#ifdef M_FORGOTTEN_BY_WHAT_WAS_ACKNOWLEDGED
		:: now.seg[s].epoch && HAS_END(s) && now.seg[s].acked >= now.seg[s].hi ->
#else
		:: FINISHED(s) ->
#endif
			n = now.seg[s].lo;
			do
			:: n <= now.seg[s].hi -> forgotten[PLACE(now.seg[s].epoch, n)] = 1; n++
			:: else -> break
			od;
			n = 0; no_segment(s); commit()
		:: else
		fi;
		s = 0 }
#endif

	/* ---- calls ---- */
	:: atomic { !up && call.kind == NONE -> up = 1; call.kind = HELLO }
	:: atomic { call.kind == HELLO && up && !answered ->
		s = 0;
		do
		:: s < S ->
			if :: now.seg[s].epoch -> answer[s] = server.mark[KEY(now.seg[s].epoch, now.seg[s].lo)] :: else fi;
			s++
		:: else -> break
		od;
		s = 0; answered = 1 }
	:: atomic { call.kind == INGEST && up && !answered ->
		ingest(call); stored = did; answer[0] = server.mark[KEY(call.epoch, call.lo)];
		answered = 1; did = 0; m = 0; k = 0 }
	:: atomic { answered && call.kind == HELLO ->
		s = 0;
		do
		:: s < S ->
			m = answer[s];
			if
			:: now.seg[s].epoch && ASKED_FOR(s) -> take(s)
			:: else
			fi;
			s++
		:: else -> break
		od;
		s = 0; m = 0; did = 0;
		clear_call(call); clear_answer(); greeted = 1;
		/* what is fresh before what waits */
#if FRESH > 0
		find_open();
		if
		:: !calm && cuttings < FRESH && s < S && now.next - 1 > now.seg[s].sent ->
			cuttings++; m = now.next - 1;
#ifdef LOWER
#ifdef M_THE_CUT_IS_BELOW_WHAT_HAS_LEFT
			k = now.seg[s].sent;
#else
			k = (left > now.seg[s].sent -> left : now.seg[s].sent);
#endif
			select(m : k .. now.next - 1);
			k = 0;
#endif
#ifdef M_NEWEST_OF_THE_READINGS
			do :: m && !now.row[m] -> m-- :: else -> break od;
#endif
#ifdef M_THE_CUT_LEAVES_A_HOLE
			now.seg[s].hi = now.seg[s].sent;
#else
			now.seg[s].hi = m;
#endif
			find_place();
			write_segment(f, epoch, m + 1, OPEN);
#ifndef M_THE_CUT_IS_NOT_SEALED
			seal()
#else
			skip
#endif
		:: true
		fi;
		s = 0; f = 0; m = 0;
#endif
		commit() }
	:: atomic { answered && call.kind == INGEST ->
		s = call.s; m = answer[0];
		if
		:: now.seg[s].epoch ->
			take(s);
			assert(stored || did) /* an answered call brings the node on */
		:: else
		fi;
		s = 0; m = 0; did = 0;
		clear_call(call); clear_answer(); commit();
		if :: !up -> greeted = 0 :: else fi }
	:: atomic { !up && greeted && call.kind == NONE -> greeted = 0 }
	:: atomic { late.kind == INGEST -> ingest(late); clear_call(late); did = 0; m = 0; k = 0 }

	/* ---- faults ---- */
	:: atomic { !calm -> calm = 1 }
#if LOST > 0
	:: atomic { !calm && losses < LOST && call.kind != NONE ->
		losses++;
		if
		:: true                                              /* the request or the answer is lost */
		:: call.kind == INGEST && !answered && late.kind == NONE -> copy_call(call, late) /* it goes on */
		fi;
		clear_call(call); clear_answer(); up = 0; greeted = 0 }
#endif
#if CUTS > 0
	:: atomic { !calm && cuts < CUTS ->
		cuts++;
		if :: copy_tables(safe, now) :: true fi; /* the power, or kill */
		restart() }
#endif
#if BACK > 0
	:: atomic { !calm && backs < BACK ->
#ifdef FORGET
		/* not so far that it loses what a node has forgotten: what is lost then nobody knows of */
		i = 1;
		do :: i <= E * (N + 1) && !(forgotten[i] && kept.has[i] == NOTHING) -> i++ :: else -> break od;
		if :: i > E * (N + 1) -> skip :: else -> i = 0; goto next fi;
		i = 0;
#endif
		backs++; copy_server(kept, server); up = 0; /* an answer that has left still arrives */
		if :: !answered -> clear_call(call); greeted = 0 :: else fi }
#endif
	:: calm && now.next == safe.next && !answered && call.kind == NONE && late.kind == NONE && up && greeted ->
		/* nothing is left to do? */
		atomic {
			did = 0; s = 0;
			do
			:: s < S ->
				if
				:: now.seg[s].epoch ->
					find_limit(s);
					find_last(s);
					if :: f > now.seg[s].sent -> did = 1 :: else fi;
					find_limit(s);
					find_foreign(s);
					if :: m > now.seg[s].sent && f != OPEN -> did = 1 :: else fi
				:: else
				fi;
				s++
			:: else -> break
			od;
			s = 0; f = 0; m = 0;
			if
			:: NO_SEGMENT ->
				n = 1;
				do :: n <= N -> if :: safe.row[n] || safe.gap[n] -> did = 1 :: else fi; n++ :: else -> break od;
				n = 0
			:: else
			fi;
			if
			:: !did -> check_end(); break
			:: else -> did = 0
			fi
		}
	od
}
