/* lane.pml - a model of a lane: an idle stack in front of a core under a lock. See README.md here.
 *
 * Callers take slots and give them back; a Marker marks what exists (InvalidateAll), a Keeper closes
 * and opens the idle stack and moves slots (stats, maintenance), a Closer shuts the lane down. What the
 * core does under the lock is one step, because no other thread can see it; each access to the stack,
 * to an epoch and to a waiter's futex word is a step of its own. Memory is sequentially consistent.
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
#ifndef ROOM
#define ROOM NS /* so deep may the idle stack be; the slots above start empty */
#endif
#ifndef K
#define K 1 /* times that newcomers may barge past the first waiter (kMaxOvertakes) */
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
#define KEEPER 0 /* times that the keeper locks the lane */
#endif
/* SHUT: the lane is shut down at any moment. SPURIOUS: sleepers wake for no reason. BROKEN: slots
 * may come back broken. AGING: a slot may be found too old after it was popped. */

#if MARKS > 0 || defined(AGING)
#define UNUSED_RETURNS 1 /* such a slot becomes idle, even beside waiters and in a full stack */
#else
#define UNUSED_RETURNS 0
#endif

#define NONE 7
#define BIT(t) (1 << (t))

/* ---- The idle stack --------------------------------------------------------------------------- */

/* two bits a slot, the top in the lowest two; the value is the whole state */
#define CLOSED 128
#define FULL(w) ((w) >= FULL_FROM)
#define FULL_FROM (ROOM < NS -> 1 << (2 * (ROOM - 1)) : CLOSED)
#define POPPED(w) ((w) >> 2)
#define PUSHED(w, s) ((((w) << 2) & 63) | ((s) + 1))
#define HAS_NONE(w) (((w) & 3) == 0)
#define TOP(w) (((w) & 3) - 1)

short stack;
byte lane_epoch;
byte slot_epoch[NS]; /* belongs to the slot's holder, or to the lock where it is idle */

/* ---- The core: all of this belongs to the lock ------------------------------------------------ */

#define EMPTY 0  /* no connection */
#define OUT 1    /* the idle stack is open: idle or leased, the stack knows */
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
byte idle;            /* the idle slots while the stack is closed, as in the stack */
byte queue[T];        /* the callers that wait, in order of arrival */
byte length;          /* of the queue */
byte barged;          /* times that newcomers barged past the present first waiter */
bool told;            /* the first waiter was told that a slot is idle */
byte outcome[T];      /* a part of the waiter's node, and so is: */
byte node[T];         /* the futex word that its thread sleeps on */
#define NOTHING 0
#define RECHECK 1
#define DECIDED 2

/* ---- Threads ---------------------------------------------------------------------------------- */

bool asleep[T];
byte finished;

/* ---- Ghosts: only the assertions read them ---------------------------------------------------- */

byte owner[NS];     /* owning thread + 1 */
bool alive[T];      /* its node exists */
byte ahead[T];      /* bits of the waiters that entered the queue before it and still wait */
byte place[T];      /* its place when it entered the queue */
byte barged_past[T]; /* times that a newcomer was served before it */
byte barged_as_first[T]; /* of these, while it was the first waiter */
bool found_none[T]; /* it was told that a slot is idle, as the first waiter, and found none */
bool marking;       /* the marker holds the lock */

#define KEEPER_ID T

inline own(s, thread) { assert(owner[s] == 0); owner[s] = (thread) + 1 }
inline disown(s, thread) { assert(owner[s] == (thread) + 1); owner[s] = 0 }

/* ---- Closing and opening the idle stack ------------------------------------------------------- */

/* Brings `state` up to date: the slots in `old` are idle, the others that were out are leased. */
inline reconcile(old) {
	assert(idle == 0); /* an open stack owns the idle slots */
	i = 0;
	do :: i < NS -> if :: state[i] == OUT -> state[i] = LEASED :: else fi; i++ :: else -> break od;
	idle = 0; j = 0;
	i = (old) & 63;
	do
	:: i -> assert(state[(i & 3) - 1] == LEASED); state[(i & 3) - 1] = IDLE; idle = idle | ((i & 3) << (2 * j));
		i = i >> 2; j++
	:: else -> break
	od;
	assert(j <= ROOM + UNUSED_RETURNS);
	i = 0; j = 0
}

inline close_stack() {
	if
	:: stack & CLOSED -> skip
	:: else ->
		reconcile(stack);
#ifdef M_CLOSE_BY_FLAG
		stack = stack | CLOSED
#else
		stack = CLOSED
#endif
	fi
}

/* Begins a critical section; in an atomic. */
inline lock_and_close() { !lock -> lock = 1; close_stack() }

inline may_open() {
	may = !shut && length == 0;
#ifdef M_OPEN_WITH_WAITERS
	may = !shut;
#endif
#ifdef M_OPEN_AFTER_SHUTDOWN
	may = length == 0;
#endif
#ifndef M_OPEN_WITH_A_MARKED_SLOT
	i = 0;
	do :: i < NS -> may = may && !(state[i] == IDLE && marked[i]); i++ :: else -> break od;
	i = 0;
#endif
}

inline open_stack() {
	i = 0;
	do
	:: i < NS ->
		if :: state[i] == IDLE -> slot_epoch[i] = lane_epoch :: else fi;
		if :: state[i] == IDLE || state[i] == LEASED -> state[i] = OUT :: else fi;
		i++
	:: else -> break
	od;
#ifdef M_OPEN_FORGETS_A_SLOT
	idle = idle >> 2;
#endif
	stack = idle;
	idle = 0; i = 0
}

/* Ends a critical section. What must hold whenever the lock is free is asserted here. */
inline open_and_unlock() {
	d_step {
		may_open();
		if :: may -> open_stack() :: else fi;
		may = 0;
		assert(length == 0 || stack == CLOSED);            /* while a caller waits, the stack is closed */
		assert(!shut || (stack == CLOSED && length == 0)); /* shut down for ever */
		assert(K > 0 || UNUSED_RETURNS || length == 0 || idle == 0); /* strict: no slot is idle beside a waiter */
		assert(length == 0 || barged == barged_as_first[queue[0]] || found_none[queue[0]]);
		i = 0;
		do :: i < NS -> assert(length == 0 || state[i] != EMPTY); i++ :: else -> break od;
		i = 0; lock = 0
	}
}

/* ---- What the core decides; under the lock, in an atomic -------------------------------------- */

/* A connection that may not be used again is closed and another one opened in its place. */
inline lend(s, thread) {
	assert(state[s] != OUT);
	own(s, thread); state[s] = LEASED; marked[s] = 0; slot_epoch[s] = lane_epoch
}

inline tell_first() {
#ifndef M_FIRST_NEVER_TOLD
	tell = tell | BIT(queue[0]);
#endif
	told = 1
}

/* `thread` leaves the wait queue. */
inline remove(thread) {
	i = 0;
	do :: i < length && queue[i] != thread -> i++ :: else -> break od;
	assert(i < length); /* a waiter leaves once */
	if
	:: i == 0 ->
		told = 0;
#ifndef M_BARGED_NEVER_RESET
		barged = 0
#endif
	:: else
	fi;
	length--;
	do :: i < length -> queue[i] = queue[i + 1]; i++ :: else -> break od;
	queue[length] = 0; i = 0;
	do :: i < T -> ahead[i] = ahead[i] & ~BIT(thread); i++ :: else -> break od;
	i = 0; ahead[thread] = 0; place[thread] = 0; found_none[thread] = 0;
	barged_past[thread] = 0; barged_as_first[thread] = 0
}

/* There may be an idle slot for the present first waiter, and no awake waiter that knows of it. */
inline wake_first_if_needed() {
	if :: length > 0 && idle && !told -> tell_first() :: else fi
}

/* Gives slot `s` to `thread`, which waits. */
inline grant(thread, s) {
	assert(alive[thread] && ahead[thread] == 0); /* first come, first served */
	outcome[thread] = GRANTED + s; lend(s, thread); remove(thread); decided = decided | BIT(thread)
}

inline pop_idle() { s = TOP(idle); idle = idle >> 2 }

/* An awake waiter checks: idle slots go to the first waiters, whichever waiter checks. */
inline take_idle() {
	do
	:: idle && length > 0 ->
		pop_idle(); f = queue[0];
#ifdef M_RECHECKER_TAKES
		f = me;
#endif
		grant(f, s)
	:: else -> break
	od;
	f = 0; s = NONE
}

/* Slot `s` is free: it becomes idle or goes to the first waiter. */
inline dispatch(s) {
	if
	:: shut -> state[s] = EMPTY
	:: !shut && length > 0 && barged < K && idle == 0 ->
		state[s] = IDLE; idle = s + 1; tell_first()
	:: !shut && length > 0 && !(barged < K && idle == 0) -> f = queue[0]; grant(f, s); f = 0; wake_first_if_needed()
	:: !shut && length == 0 ->
		j = 0;
		do :: idle >> (2 * j) -> j++ :: else -> break od;
		if :: j >= ROOM -> state[s] = EMPTY; marked[s] = 0 :: else -> state[s] = IDLE; idle = (idle << 2) | (s + 1) fi;
		j = 0
	fi
}

/* A newcomer is served before every waiter. */
inline barge_past() {
#ifndef M_BARGED_NEVER_COUNTED
	barged++;
#endif
	barged_as_first[queue[0]]++; i = 0;
	do
	:: i < length -> f = queue[i]; barged_past[f]++; assert(barged_past[f] <= K * (place[f] + 1)); i++
	:: else -> break
	od;
	assert(barged_as_first[queue[0]] <= K);
	i = 0; f = 0
}

/* A newcomer asks. Leaves `s` == NONE if there is nothing for it. */
inline try_lend(me) {
	s = NONE;
	if
	:: idle && (length == 0 || barged < K) -> pop_idle(); lend(s, me); if :: length > 0 -> barge_past() :: else fi
	:: !idle && length == 0 ->
		i = 0;
		do :: i < NS && state[i] != EMPTY -> i++ :: else -> break od;
		if :: i < NS -> s = i; i = 0; lend(s, me) :: else -> i = 0 fi
	:: else
	fi
}

inline enqueue(me) {
	outcome[me] = WAITING; node[me] = NOTHING; alive[me] = 1; place[me] = length; i = 0;
	do :: i < length -> ahead[me] = ahead[me] | BIT(queue[i]); i++ :: else -> break od;
	i = 0; queue[length] = me; length++
}

/* The waiter was told to check, or its deadline passed, or it woke for no reason. */
inline recheck(me) {
	if :: outcome[me] == WAITING -> take_idle() :: outcome[me] == WAITING && late -> skip :: outcome[me] != WAITING -> skip fi;
	if
	:: outcome[me] != WAITING -> decided = decided & ~BIT(me); node[me] = DECIDED
	:: outcome[me] == WAITING && late -> leave(me)
	:: outcome[me] == WAITING && !late ->
		node[me] = NOTHING;
		if :: queue[0] == me && told -> told = 0; barged = K; found_none[me] = 1 :: else fi
	fi
}

inline leave(me) {
	remove(me); outcome[me] = ENDED; node[me] = DECIDED;
#ifndef M_SPARE_LOST_AT_TIME_OUT
	wake_first_if_needed()
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
				if :: decided & BIT(i) -> node[i] = DECIDED :: !(decided & BIT(i)) && (tell & BIT(i)) -> node[i] = RECHECK :: else fi;
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

/* With the lock free, by address: a thread that sleeps there wakes, even if another node lies there now. */
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

inline end_section() { publish(); open_and_unlock(); wake() }

/* ---- Processes -------------------------------------------------------------------------------- */

proctype Caller(byte me; bool timed) {
	short w; byte s, i, j, f, tell, decided, r; bool late, may, stale, gone;
	do
	:: r < ROUNDS ->
		r++; s = NONE;

		/* acquire, without the lock */
		w = stack;
		do
		:: HAS_NONE(w) -> break
		:: else ->
			atomic {
				if :: stack == w -> stack = POPPED(w); s = TOP(w); own(s, me); stale = marked[s] :: else -> w = stack fi
			};
			if :: s != NONE -> break :: else fi
		od;
		w = 0;
		if
		:: s != NONE ->
			if
#ifdef M_NO_EPOCH_AT_POP
			:: true
#else
			:: slot_epoch[s] == lane_epoch
#endif
				-> assert(!stale); goto mine /* a slot that was marked is not lent */
#ifndef M_NO_EPOCH_AT_POP
			:: slot_epoch[s] != lane_epoch
#endif
#ifdef AGING
			:: true /* too old */
#endif
			fi;

			/* the slot returns unused, with the lock */
			atomic {
#ifdef M_UNUSED_RETURN_WITHOUT_CLOSING
				!lock -> lock = 1; state[s] = LEASED;
#else
				lock_and_close();
#endif
				stale = 0; assert(state[s] == LEASED); disown(s, me);
				if
#ifndef M_UNUSED_RETURN_FORGETS_THE_SHUTDOWN
				:: shut -> state[s] = EMPTY
#endif
				:: else ->
					state[s] = IDLE; idle = (idle << 2) | (s + 1);
#ifndef M_UNUSED_RETURN_TELLS_NO_WAITER
					wake_first_if_needed()
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
			if :: shut -> skip :: else -> try_lend(me); if :: s == NONE -> enqueue(me) :: else fi fi
		};
		end_section();
		if :: s != NONE -> goto mine :: else fi;
		if :: !alive[me] -> goto out :: else fi;

		/* in the wait queue */
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
			atomic { lock_and_close(); recheck(me); s = NONE };
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

		/* return, without the lock */
		atomic {
			gone = marked[s] && !marking;
			if
			:: slot_epoch[s] == lane_epoch
#ifdef M_NO_EPOCH_AT_PUSH
			:: slot_epoch[s] != lane_epoch
#else
			:: slot_epoch[s] != lane_epoch -> goto slowly
#endif
#ifdef BROKEN
			:: marked[s] = 1; goto slowly
#endif
			fi
		};
		w = stack;
		do
#ifdef M_PUSH_IGNORES_CLOSED
		:: FULL(w) && w != CLOSED -> break
		:: !FULL(w) || w == CLOSED ->
#elif defined(M_PUSH_IGNORES_FULL)
		:: w == CLOSED -> break
		:: w != CLOSED ->
#else
		:: FULL(w) -> break
		:: else ->
#endif
			atomic {
				if
				:: stack == w -> assert(!gone); disown(s, me); stack = PUSHED(w, s); s = NONE
				:: else -> w = stack
				fi
			};
			if :: s == NONE -> goto out :: else fi
		od;

		/* return, with the lock */
slowly:		atomic {
			lock_and_close();
			w = 0; gone = 0; assert(state[s] == LEASED); disown(s, me); marked[s] = 0; dispatch(s); s = NONE
		};
		end_section();
out:		skip;
		d_step { s = NONE; w = 0; gone = 0; stale = 0 }
	:: else -> break
	od;
	finished++
}

/* InvalidateAll: marks what exists, then replaces what is idle. */
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
#ifdef M_EPOCH_RAISED_AFTER_OPENING
		atomic { open_and_unlock(); marking = 0 };
		lane_epoch++;
#else
		lane_epoch++;
		atomic { open_and_unlock(); marking = 0 };
#endif
		atomic {
			lock_and_close();
			i = 0;
			do :: i < NS -> if :: state[i] == IDLE -> marked[i] = 0 :: else fi; i++ :: else -> break od;
			i = 0
		};
		open_and_unlock()
	:: else -> break
	od;
	finished++
}

/* Maintenance takes the slot that was idle for longest; it goes back below the others, as it was. */
inline take_bottom() {
	j = 0;
	do :: idle >> (2 * (j + 1)) -> j++ :: else -> break od;
	s = ((idle >> (2 * j)) & 3) - 1; idle = idle & ((1 << (2 * j)) - 1); j = 0;
	own(s, KEEPER_ID); state[s] = BUSY
}
inline put_bottom() {
	disown(s, KEEPER_ID);
	if
	:: length > 0 || shut -> dispatch(s)
	:: else ->
		j = 0;
		do :: idle >> (2 * j) -> j++ :: else -> break od;
		if :: j >= ROOM -> state[s] = EMPTY; marked[s] = 0 :: else -> state[s] = IDLE; idle = idle | ((s + 1) << (2 * j)) fi;
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
			:: true /* only reads */
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
		:: length > 0 -> f = queue[0]; outcome[f] = ENDED; remove(f); decided = decided | BIT(f)
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
		do :: i > 0 -> i--; state[i] = (i < ROOM -> IDLE : EMPTY); if :: i < ROOM -> idle = (idle << 2) | (i + 1) :: else fi :: else -> break od;
		open_stack();
		do :: i < T -> run Caller(i, i < TIMED); i++ :: else -> break od;
		i = 0;
		if :: MARKS > 0 -> run Marker() :: else fi;
		if :: KEEPER > 0 -> run Keeper() :: else fi;
#ifdef SHUT
		run Closer()
#endif
	};
	/* The end: no caller waits, and every slot is where it belongs. */
	atomic {
		finished == PROCESSES ->
		assert(!lock && length == 0);
		may = 0;
		do :: i < NS -> may = may || marked[i]; i++ :: else -> break od;
		assert(SHUTS || may || stack != CLOSED);
		close_stack();
		i = 0;
		do
		:: i < NS -> assert(owner[i] == 0 && (state[i] == EMPTY || (state[i] == IDLE && !SHUTS))); i++
		:: else -> break
		od
	}
}
