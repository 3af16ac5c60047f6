// second_process - a process beside the pool's, with SQLite and nothing of roostpool.
//
// second_process PATH: obeys the lines of its standard input and answers each with one line:
//   count            how many rows there are
//   sql TEXT         runs the rest of the line; "ok", what the last row said, or the error
//   lock             takes the write lock; "ok"
//   unlock           gives it back; "ok"
//   unlock-later MS  answers "ok" at once, gives it back after so many milliseconds
//   store FIRST LAST stores these ids, each in a commit of its own; "ok" at once, before it begins
//   wait             "ok" when everything before is done
#include <sqlite3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

namespace {

sqlite3* db = nullptr;

int Count(void* out, int, char** values, char**) {
  *static_cast<std::string*>(out) = values[0];
  return 0;
}

std::string Execute(const std::string& sql) {
  std::string answer = "ok";
  const int code = sqlite3_exec(db, sql.c_str(), Count, &answer, nullptr);
  return code == SQLITE_OK ? answer : sqlite3_errmsg(db);
}

void Answer(const std::string& line) { std::cout << line << std::endl; }

void Store(int first, int last) {
  for (int id = first; id <= last; ++id) {
    const std::string outcome =
        Execute("INSERT INTO reading(id) VALUES (" + std::to_string(id) + ")");
    if (outcome != "ok") std::cerr << "second_process: " << outcome << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || sqlite3_open(argv[1], &db) != SQLITE_OK) return 2;
  sqlite3_busy_timeout(db, 20'000);
  std::string command;
  while (std::cin >> command) {
    if (command == "count") Answer(Execute("SELECT count(*) FROM reading"));
    if (command == "lock") Answer(Execute("BEGIN IMMEDIATE"));
    if (command == "unlock") Answer(Execute("ROLLBACK"));
    if (command == "wait") Answer("ok");
    if (command == "sql") {
      std::string sql;
      std::getline(std::cin, sql);
      Answer(Execute(sql));
    }
    if (command == "unlock-later") {
      unsigned milliseconds = 0;
      std::cin >> milliseconds;
      Answer("ok");
      usleep(milliseconds * 1000);
      Execute("ROLLBACK");
    }
    if (command == "store") {
      int first = 0;
      int last = 0;
      std::cin >> first >> last;
      Answer("ok");
      Store(first, last);
    }
  }
  sqlite3_close(db);
  return 0;
}
