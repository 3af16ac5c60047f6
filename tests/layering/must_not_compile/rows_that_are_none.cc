// RunAll wants rows that can be asked for by number, and whose fields are values.
#include <forward_list>
#include <tuple>
#include <vector>

#include "roost/statement.h"

class Hidden {
 public:
  explicit Hidden(int level) : level_(level) {}
  int level() const { return level_; }

 private:
  int level_;
};

void Use(roost::Statement& statement, const std::vector<Hidden>& hidden,
         const std::forward_list<std::tuple<int>>& listed) {
  statement.RunAll(std::vector<std::tuple<int, const char*>>{{1, "a"}}).IgnoreError();
  statement.RunAll(std::vector<int>(3)).IgnoreError();
  statement.Run(std::vector<int32_t>(3)).IgnoreError();
#ifdef WRONG
  statement.RunAll(hidden).IgnoreError();  // error: Statement::RunAll: a row is a
  statement.RunAll(listed).IgnoreError();  // error: Statement::RunAll: the rows are a
  statement.Run(std::vector<unsigned>(3)).IgnoreError();   // error: roost::Value: bind an integer
  statement.Run(std::vector<bool>(3)).IgnoreError();       // error: roost::Value: bind an integer
  statement.RunAll<0>(std::vector<int>(3)).IgnoreError();  // error: RunAll: a round trip takes
#endif
}
