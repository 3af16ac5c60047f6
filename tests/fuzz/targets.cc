#include "tests/fuzz/targets.h"

namespace roost::fuzz {
namespace {

constexpr Target kTargets[] = {
    {"addresses", &CheckAddresses},
    {"answers", &CheckAnswers},
    {"config", &CheckConfig},
    {"conninfo", &CheckConninfo},
    {"errors", &CheckErrors},
    {"lines", &CheckLines},
#ifdef ROOST_FUZZ_MYSQL
    {"mysql_sql", &CheckMysqlSql},
#endif
    {"parameters", &CheckParameters},
    {"requests", &CheckRequests},
    {"rows", &CheckRows},
    {"sql", &CheckSql},
    {"status", &CheckStatus},
    {"values", &CheckValues},
};

}  // namespace

std::span<const Target> Targets() { return kTargets; }

}  // namespace roost::fuzz
