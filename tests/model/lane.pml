/* lane.pml - a model of the lock-free lane: one word before a monitor. See README.md of this folder.
 *
 * Callers take slots and give them back; a Marker marks what exists (InvalidateAll), a Keeper closes
 * and opens the lane and moves slots (stats, maintenance), a Closer shuts it down. What the monitor does
 * under its lock is one step, as nobody else can see it; each access to the word, to an epoch and to
 * a waiter's word is a step of its own. Memory is sequentially consistent.
 *
 * Errors show as assertions; a lost wake-up shows as an invalid end state.
 * Faults, all off: the macros that begin with M_; run.sh switches each on in turn.
 */
#ifndef T
#define T 2 /* callers, at most 5 */
#endif
#ifndef NS
#define NS 1 /* slots, at most 3 */
#endif
#ifndef KEPT
#define KEPT NS /* so deep may the stack be; the slots above start empty */
#endif
#ifndef K
#define K 1 /* times that newcomers may pass the front of the line */
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* of each caller */
#endif
#ifndef TIMED
#define TIMED 0 /* so many callers have a deadline, which may pass at any moment */
#endif
#ifndef MARKS
#define MARKS 0 /* calls of InvalidateAll */
#endif
#ifndef KEEPER
#define KEEPER 0 /* times that the keeper looks */
#endif
/* SHUT: the lane is shut down at any moment. SPURIOUS: sleepers wake for no reason. BROKEN: slots
 * may come back broken. AGING: a slot may be found too old after it was popped. LINKED: the codec. */

#if MARKS > 0 || defined(AGING)
#define PUT_BACKS 1 /* what is put back rests, whoever waits and however deep the stack is */
#else
#define PUT_BACKS 0
#endif

#define NONE 7
#define BIT(t) (1 << (t))

/* ---- The word --------------------------------------------------------------------------------- */

#ifdef LINKED
/* head (slot + 1): bits 0, 1 | depth: 2, 3 | closed: 4 | tag: 5 to 10 */
#define CLOSED 16
#define DEPTH(w) (((w) >> 2) & 3)
#define FULL(w) (((w) & 31) >= FULL_MARK)
#define FULL_MARK (KEPT < NS -> KEPT << 2 : CLOSED)
#ifdef M_NO_TAG
#define GROWN(w) (w)
#else
#define GROWN(w) (((w) + 32) & 2047)
#endif
#define POPPED(w) GROWN((((w) & ~3) | under) - 4)
#define PUSHED(w, s) ((((w) & ~3) | ((s) + 1)) + 4)
byte below[NS]; /* slot + 1 of the next one in the stack */
#else
/* two bits a slot, the top first; the value is the whole state */
#define CLOSED 128
#define FULL(w) ((w) >= FULL_MARK)
#define FULL_MARK (KEPT < NS -> 1 << (2 * (KEPT - 1)) : CLOSED)
#define POPPED(w) ((w) >> 2)
#define PUSHED(w, s) ((((w) << 2) & 63) | ((s) + 1))
#endif
#define LOOKS_EMPTY(w) (((w) & 3) == 0)
#define TOP(w) (((w) & 3) - 1)

short word;
byte lane_epoch;
byte slot_epoch[NS]; /* belongs to whoever holds the slot, or to the lock where it is idle */

/* ---- The monitor: all of this belongs to the lock --------------------------------------------- */

#define EMPTY 0  /* no connection */
#define OUT 1    /* the lane is open: idle or leased, the word knows */
#define IDLE 2
#define LEASED 3
#define BUSY 4   /* in maintenance */
#define WAITING 0
#define ENDED 1
#define GRANTED 2 /* + slot */

bool lock;
bool shut;
byte state[NS];
bool marked[NS];      /* to be replaced before it is lent again */
byte idle;            /* the stack while the lane is closed, two bits a slot, the top first */
byte line[T], length; /* callers in order of arrival */
byte overtakes;       /* of the present front */
bool poked;           /* the front was told to look */
byte outcome[T];      /* a part of the waiter's node, as is: */
byte node[T];         /* the word that its thread sleeps on */
#define NOTHING 0
#define LOOK 1
#define DECIDED 2
#ifdef LINKED
byte next_tag;
#endif

/* ---- Threads ---------------------------------------------------------------------------------- */

bool asleep[T];
byte finished;

/* ---- Ghosts: only the assertions read them ---------------------------------------------------- */

byte owner[NS];     /* thread + 1 */
bool alive[T];      /* its node exists */
byte ahead[T];      /* bits of those who were in line before it and still are */
byte place[T];      /* its place when it joined */
byte passed[T];     /* times that a newcomer was served before it */
byte front_passed[T]; /* of these, while it was the front */
bool in_vain[T];    /* it was told to look, as front, and found nothing */
bool marking;       /* the marker holds the lock */

#define KEEPER_ID T

inline own(s, who) { assert(owner[s] == 0); owner[s] = (who) + 1 }
inline disown(s, who) { assert(owner[s] == (who) + 1); owner[s] = 0 }

/* ---- Closing and reopening the lane ----------------------------------------------------------- */

/* Brings `state` up to date: the slots in `old` are idle, the others that were out are leased. */
inline resync(old) {
	assert(idle == 0); /* an open lane owns the idle slots */
	i = 0;
	do :: i < NS -> if :: state[i] == OUT -> state[i] = LEASED :: else fi; i++ :: else -> break od;
	idle = 0; j = 0;
#ifdef LINKED
	i = (old) & 3;
	do
	:: j < DEPTH(old) -> assert(i != 0 && state[i - 1] == LEASED); state[i - 1] = IDLE;
		idle = idle | (i << (2 * j)); i = below[i - 1]; j++
	:: else -> break
	od;
	next_tag = (((old) >> 5) + 1) & 63;
#ifdef M_REOPEN_WITH_THE_SAME_TAG
	next_tag = (old) >> 5;
#endif
#ifdef M_NO_TAG
	next_tag = 0;
#endif
#else
	i = (old) & 63;
	do
	:: i -> assert(state[(i & 3) - 1] == LEASED); state[(i & 3) - 1] = IDLE; idle = idle | ((i & 3) << (2 * j));
		i = i >> 2; j++
	:: else -> break
	od;
#endif
	assert(j <= KEPT + PUT_BACKS);
	i = 0; j = 0
}

inline close_lane() {
	if
	:: word & CLOSED -> skip
	:: else ->
		resync(word);
#ifdef M_CLOSE_BY_FLAG
		word = word | CLOSED
#else
		word = CLOSED
#endif
	fi
}

/* Begins a critical section; in an atomic. */
inline lock_and_close() { !lock -> lock = 1; close_lane() }

inline may_reopen() {
	may = !shut && length == 0;
#ifdef M_REOPEN_WITH_WAITERS
	may = !shut;
#endif
#ifdef M_REOPEN_AFTER_SHUTDOWN
	may = length == 0;
#endif
#ifndef M_REOPEN_WITH_A_MARKED_SLOT
	i = 0;
	do :: i < NS -> may = may && !(state[i] == IDLE && marked[i]); i++ :: else -> break od;
	i = 0;
#endif
}

inline open_lane() {
	i = 0;
	do
	:: i < NS ->
		if :: state[i] == IDLE -> slot_epoch[i] = lane_epoch :: else fi;
		if :: state[i] == IDLE || state[i] == LEASED -> state[i] = OUT :: else fi;
		i++
	:: else -> break
	od;
#ifdef M_REOPEN_FORGETS_A_SLOT
	idle = idle >> 2;
#endif
#ifdef LINKED
	i = idle; j = 0;
	do :: i -> below[(i & 3) - 1] = (i >> 2) & 3; i = i >> 2; j++ :: else -> break od;
	word = (idle & 3) | (j << 2) | (next_tag << 5); next_tag = 0; j = 0;
#else
	word = idle;
#endif
	idle = 0; i = 0
}

/* Ends a critical section. What must hold whenever the lock is free is asserted here. */
inline reopen_and_unlock() {
	d_step {
		may_reopen();
		if :: may -> open_lane() :: else fi;
		may = 0;
		assert(length == 0 || word == CLOSED);            /* who waits has closed the lane */
		assert(!shut || (word == CLOSED && length == 0)); /* shut down for ever */
		assert(K > 0 || PUT_BACKS || length == 0 || idle == 0); /* strict: nothing rests beside a waiter */
		assert(length == 0 || overtakes == front_passed[line[0]] || in_vain[line[0]]);
		i = 0;
		do :: i < NS -> assert(length == 0 || state[i] != EMPTY); i++ :: else -> break od;
		i = 0; lock = 0
	}
}

/* ---- What the monitor decides; under the lock, in an atomic ----------------------------------- */

/* A connection that may not be used again is closed and another one opened in its place. */
inline lend(s, who) {
	assert(state[s] != OUT);
	own(s, who); state[s] = LEASED; marked[s] = 0; slot_epoch[s] = lane_epoch
}

inline poke_front() {
#ifndef M_NO_POKE
	tell = tell | BIT(line[0]);
#endif
	poked = 1
}

/* `who` leaves the line. */
inline unlink(who) {
	i = 0;
	do :: i < length && line[i] != who -> i++ :: else -> break od;
	assert(i < length); /* a waiter leaves once */
	if
	:: i == 0 ->
		poked = 0;
#ifndef M_OVERTAKES_NEVER_RESET
		overtakes = 0
#endif
	:: else
	fi;
	length--;
	do :: i < length -> line[i] = line[i + 1]; i++ :: else -> break od;
	line[length] = 0; i = 0;
	do :: i < T -> ahead[i] = ahead[i] & ~BIT(who); i++ :: else -> break od;
	i = 0; ahead[who] = 0; place[who] = 0; passed[who] = 0; front_passed[who] = 0; in_vain[who] = 0
}

/* There may be a slot for the one who is now the front, and nobody awake who knows. */
inline mind_the_front() {
	if :: length > 0 && idle && !poked -> poke_front() :: else fi
}

/* Gives slot `s` to `who`, who waits. */
inline grant(who, s) {
	assert(alive[who] && ahead[who] == 0); /* first come, first served */
	outcome[who] = GRANTED + s; lend(s, who); unlink(who); decided = decided | BIT(who)
}

inline pop_idle() { s = TOP(idle); idle = idle >> 2 }

/* Somebody awake looks: idle slots go to the front of the line. */
inline take_idle() {
	do
	:: idle && length > 0 ->
		pop_idle(); f = line[0];
#ifdef M_WHO_LOOKS_TAKES
		f = me;
#endif
		grant(f, s)
	:: else -> break
	od;
	f = 0; s = NONE
}

/* Slot `s`, of nobody now, rests or goes on to the front of the line. */
inline offer(s) {
	if
	:: shut -> state[s] = EMPTY
	:: !shut && length > 0 && overtakes < K && idle == 0 ->
		state[s] = IDLE; idle = s + 1; poke_front()
	:: !shut && length > 0 && !(overtakes < K && idle == 0) -> f = line[0]; grant(f, s); f = 0; mind_the_front()
	:: !shut && length == 0 ->
		j = 0;
		do :: idle >> (2 * j) -> j++ :: else -> break od;
		if :: j >= KEPT -> state[s] = EMPTY; marked[s] = 0 :: else -> state[s] = IDLE; idle = (idle << 2) | (s + 1) fi;
		j = 0
	fi
}

/* A newcomer is served before all who wait. */
inline pass() {
#ifndef M_OVERTAKES_NEVER_COUNTED
	overtakes++;
#endif
	front_passed[line[0]]++; i = 0;
	do
	:: i < length -> f = line[i]; passed[f]++; assert(passed[f] <= K * (place[f] + 1)); i++
	:: else -> break
	od;
	assert(front_passed[line[0]] <= K);
	i = 0; f = 0
}

/* A newcomer asks. Leaves `s` == NONE if there is nothing for it. */
inline try_lend(me) {
	s = NONE;
	if
	:: idle && (length == 0 || overtakes < K) -> pop_idle(); lend(s, me); if :: length > 0 -> pass() :: else fi
	:: !idle && length == 0 ->
		i = 0;
		do :: i < NS && state[i] != EMPTY -> i++ :: else -> break od;
		if :: i < NS -> s = i; i = 0; lend(s, me) :: else -> i = 0 fi
	:: else
	fi
}

inline join(me) {
	outcome[me] = WAITING; node[me] = NOTHING; alive[me] = 1; place[me] = length; i = 0;
	do :: i < length -> ahead[me] = ahead[me] | BIT(line[i]); i++ :: else -> break od;
	i = 0; line[length] = me; length++
}

/* It was told to look, or its time is over, or it woke for no reason. */
inline look(me) {
	if :: outcome[me] == WAITING -> take_idle() :: outcome[me] == WAITING && late -> skip :: outcome[me] != WAITING -> skip fi;
	if
	:: outcome[me] != WAITING -> decided = decided & ~BIT(me); node[me] = DECIDED
	:: outcome[me] == WAITING && late -> leave(me)
	:: outcome[me] == WAITING && !late ->
		node[me] = NOTHING;
		if :: line[0] == me && poked -> poked = 0; overtakes = K; in_vain[me] = 1 :: else fi
	fi
}

inline leave(me) {
	unlink(me); outcome[me] = ENDED; node[me] = DECIDED;
#ifndef M_SPARE_LOST_AT_TIME_OUT
	mind_the_front()
#endif
}

/* ---- Telling waiters -------------------------------------------------------------------------- */

/* The last thing that is done to a node; still under the lock. */
inline publish() {
	if
	:: tell | decided -> d_step {
			i = 0;
			do
			:: i < T ->
				if :: (tell | decided) & BIT(i) -> assert(alive[i]) :: else fi;
				if :: decided & BIT(i) -> node[i] = DECIDED :: !(decided & BIT(i)) && (tell & BIT(i)) -> node[i] = LOOK :: else fi;
				i++
			:: else -> break
			od;
			i = 0
		}
#ifdef M_NODE_TOUCHED_AFTER_GRANT
		d_step {
			do :: i < T -> if :: decided & BIT(i) -> assert(alive[i]) :: else fi; i++ :: else -> break od;
			i = 0
		}
#endif
	:: else
	fi
}

/* With the lock free, by address: whoever sleeps there wakes, also if it is another node by now. */
inline wake() {
	if
	:: tell | decided -> d_step {
#ifndef M_NO_WAKE
			i = 0;
			do :: i < T -> if :: (tell | decided) & BIT(i) -> asleep[i] = 0 :: else fi; i++ :: else -> break od;
			i = 0;
#endif
			tell = 0; decided = 0
		}
	:: else
	fi
}

inline end_section() { publish(); reopen_and_unlock(); wake() }

/* ---- Processes -------------------------------------------------------------------------------- */

proctype Caller(byte me; bool timed) {
	short w; byte s, i, j, f, tell, decided, r, under; bool late, may, stale, gone;
	do
	:: r < ROUNDS ->
		r++; s = NONE;

		/* acquire, without the lock */
		w = word;
		do
		:: LOOKS_EMPTY(w) -> break
		:: else ->
#ifdef LINKED
			under = below[TOP(w)];
#endif
			atomic {
				if :: word == w -> word = POPPED(w); s = TOP(w); own(s, me); stale = marked[s]; under = 0 :: else -> w = word fi
			};
			if :: s != NONE -> break :: else fi
		od;
		w = 0;
		if
		:: s != NONE ->
			if
#ifdef M_NO_EPOCH_AT_ACQUIRE
			:: true
#else
			:: slot_epoch[s] == lane_epoch
#endif
				-> assert(!stale); goto mine /* what was marked is not lent any more */
#ifndef M_NO_EPOCH_AT_ACQUIRE
			:: slot_epoch[s] != lane_epoch
#endif
#ifdef AGING
			:: true /* too old */
#endif
			fi;

			/* it goes back, with the lock */
			atomic {
#ifdef M_PUT_BACK_WITHOUT_CLOSING
				!lock -> lock = 1; state[s] = LEASED;
#else
				lock_and_close();
#endif
				stale = 0; assert(state[s] == LEASED); disown(s, me);
				if
#ifndef M_PUT_BACK_FORGETS_THE_SHUTDOWN
				:: shut -> state[s] = EMPTY
#endif
				:: else ->
					state[s] = IDLE; idle = (idle << 2) | (s + 1);
#ifndef M_PUT_BACK_TELLS_NOBODY
					mind_the_front()
#endif
				fi;
				s = NONE
			};
			end_section()
		:: else
		fi;

		/* acquire, with the lock */
		atomic {
			lock_and_close();
			if :: shut -> skip :: else -> try_lend(me); if :: s == NONE -> join(me) :: else fi fi
		};
		end_section();
		if :: s != NONE -> goto mine :: else fi;
		if :: !alive[me] -> goto out :: else fi;

		/* in line */
		do
		:: node[me] == DECIDED -> break
		:: else ->
			if
			:: !late ->
				atomic { if :: node[me] == NOTHING -> asleep[me] = 1 :: else fi }; /* compare and sleep */
				if
				:: !asleep[me]
				:: timed -> d_step { late = 1; asleep[me] = 0 }
#ifdef SPURIOUS
				:: asleep[me] = 0
#endif
				fi
			:: else
			fi;
			if
			:: node[me] == DECIDED -> break
			:: else
			fi;
#ifdef M_TIME_OUT_DECIDED_OUTSIDE_THE_LOCK
			if
			:: late -> atomic { lock_and_close(); leave(me) }; end_section(); break
			:: else
			fi;
#endif
			atomic { lock_and_close(); look(me); s = NONE };
			end_section()
		od;
		skip;
		d_step {
			alive[me] = 0; late = 0; node[me] = NOTHING;
			if :: outcome[me] >= GRANTED -> s = outcome[me] - GRANTED :: else -> s = NONE fi;
			outcome[me] = WAITING
		};
		if :: s == NONE -> goto out :: else fi;

mine:		assert(owner[s] == me + 1);

		/* give back, without the lock */
		atomic {
			gone = marked[s] && !marking;
			if
			:: slot_epoch[s] == lane_epoch
#ifdef M_NO_EPOCH_AT_RETURN
			:: slot_epoch[s] != lane_epoch
#else
			:: slot_epoch[s] != lane_epoch -> goto slowly
#endif
#ifdef BROKEN
			:: marked[s] = 1; goto slowly
#endif
			fi
		};
		w = word;
		do
#ifdef M_RETURN_IGNORES_CLOSED
		:: FULL(w) && w != CLOSED -> break
		:: !FULL(w) || w == CLOSED ->
#elif defined(M_RETURN_IGNORES_FULL)
		:: w == CLOSED -> break
		:: w != CLOSED ->
#else
		:: FULL(w) -> break
		:: else ->
#endif
#ifdef LINKED
			below[s] = w & 3;
#endif
			atomic {
				if
				:: word == w -> assert(!gone); disown(s, me); word = PUSHED(w, s); s = NONE
				:: else -> w = word
				fi
			};
			if :: s == NONE -> goto out :: else fi
		od;

		/* give back, with the lock */
slowly:		atomic {
			lock_and_close();
			w = 0; gone = 0; assert(state[s] == LEASED); disown(s, me); marked[s] = 0; offer(s); s = NONE
		};
		end_section();
out:		skip;
		d_step { s = NONE; w = 0; gone = 0; stale = 0 }
	:: else -> break
	od;
	finished++
}

/* InvalidateAll: marks what exists, then replaces what rests. */
proctype Marker() {
	byte i, j, r, s, f, tell, decided; bool may;
	do
	:: r < MARKS ->
		r++;
		atomic {
			lock_and_close();
			marking = 1; i = 0;
			do :: i < NS -> marked[i] = marked[i] || state[i] == IDLE || state[i] == LEASED; i++ :: else -> break od;
			i = 0
		};
#ifdef M_EPOCH_RAISED_AFTER_REOPENING
		atomic { reopen_and_unlock(); marking = 0 };
		lane_epoch++;
#else
		lane_epoch++;
		atomic { reopen_and_unlock(); marking = 0 };
#endif
		atomic {
			lock_and_close();
			i = 0;
			do :: i < NS -> if :: state[i] == IDLE -> marked[i] = 0 :: else fi; i++ :: else -> break od;
			i = 0
		};
		reopen_and_unlock()
	:: else -> break
	od;
	finished++
}

/* Maintain takes the slot that has rested longest; it goes back below the others, as it was. */
inline take_bottom() {
	j = 0;
	do :: idle >> (2 * (j + 1)) -> j++ :: else -> break od;
	s = ((idle >> (2 * j)) & 3) - 1; idle = idle & ((1 << (2 * j)) - 1); j = 0;
	own(s, KEEPER_ID); state[s] = BUSY
}
inline put_bottom() {
	disown(s, KEEPER_ID);
	if
	:: length > 0 || shut -> offer(s)
	:: else ->
		j = 0;
		do :: idle >> (2 * j) -> j++ :: else -> break od;
		if :: j >= KEPT -> state[s] = EMPTY; marked[s] = 0 :: else -> state[s] = IDLE; idle = idle | ((s + 1) << (2 * j)) fi;
		j = 0
	fi;
	s = NONE
}

proctype Keeper() {
	byte i, j, r, s = NONE, f, tell, decided; bool may;
	do
	:: r < KEEPER ->
		r++;
		atomic {
			lock_and_close();
			if
			:: true /* only looks */
			:: s == NONE && idle && length == 0 -> take_bottom()
			:: s != NONE -> put_bottom()
			:: s != NONE && idle && length == 0 -> f = s; take_bottom(); j = s; s = f; f = j; j = 0; put_bottom(); s = f; f = 0
			fi
		};
		end_section()
	:: else -> break
	od;
	if
	:: s != NONE -> atomic { lock_and_close(); put_bottom() }; end_section()
	:: else
	fi;
	finished++
}

#ifdef SHUT
proctype Closer() {
	byte i, j, s, f, tell, decided; bool may;
	atomic {
		lock_and_close();
		shut = 1;
		do
		:: length > 0 -> f = line[0]; outcome[f] = ENDED; unlink(f); decided = decided | BIT(f)
		:: else -> break
		od;
		f = 0;
		do :: idle -> s = TOP(idle); idle = idle >> 2; state[s] = EMPTY :: else -> break od
	};
	end_section();
	finished++
}
#endif

#define PROCESSES (T + (MARKS > 0) + (KEEPER > 0) + SHUTS)
#ifdef SHUT
#define SHUTS 1
#else
#define SHUTS 0
#endif

init {
	byte i, j; bool may;
	atomic {
		i = NS;
		do :: i > 0 -> i--; state[i] = (i < KEPT -> IDLE : EMPTY); if :: i < KEPT -> idle = (idle << 2) | (i + 1) :: else fi :: else -> break od;
		open_lane();
		do :: i < T -> run Caller(i, i < TIMED); i++ :: else -> break od;
		i = 0;
		if :: MARKS > 0 -> run Marker() :: else fi;
		if :: KEEPER > 0 -> run Keeper() :: else fi;
#ifdef SHUT
		run Closer()
#endif
	};
	/* All is over: nobody waits, and every slot is where it belongs. */
	atomic {
		finished == PROCESSES ->
		assert(!lock && length == 0);
		may = 0;
		do :: i < NS -> may = may || marked[i]; i++ :: else -> break od;
		assert(SHUTS || may || word != CLOSED);
		close_lane();
		i = 0;
		do
		:: i < NS -> assert(owner[i] == 0 && (state[i] == EMPTY || (state[i] == IDLE && !SHUTS))); i++
		:: else -> break
		od
	}
}
