// tests/contract/watched.h - a subject whose connections are watched, as those of a pool with
// kWatchStatements are: they have to do what every connection does.
#ifndef ROOST_TESTS_CONTRACT_WATCHED_H_
#define ROOST_TESTS_CONTRACT_WATCHED_H_

#include "tests/contract/subject.h"

namespace roost::contract {

// The same kind, watched.
SubjectKind Watched(const SubjectKind& kind);

}  // namespace roost::contract

#endif  // ROOST_TESTS_CONTRACT_WATCHED_H_
