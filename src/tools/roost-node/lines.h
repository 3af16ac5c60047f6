// tools/roost-node/lines.h - readings as lines of text: NAME VALUE [UNIT] [@UNIX_SECONDS].
#ifndef ROOST_TOOLS_ROOST_NODE_LINES_H_
#define ROOST_TOOLS_ROOST_NODE_LINES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "roost/deadline.h"
#include "tools/common/text.h"
#include "tools/roost-node/reading.h"

namespace roost::tools {

struct ParsedLine {
  using Wrong = BoundedText<640>;  // for a line of LineReader::kMostBytes
  enum class Kind : uint8_t { kNothing, kReading, kBad };
  Kind kind = Kind::kNothing;
  Reading reading;  // kReading: name, value and unit; with a time of its own wall_us and kLine
  Wrong wrong;      // kBad: what is wrong and what would be right
};

// Fields are separated by blanks or tabs. An empty line and a line that begins with # are nothing.
ParsedLine ParseLine(std::string_view line);

// Makes a reading whose own time is more than a day after `unix_us` a bad line. For a clock that is
// set.
void RefuseFuture(ParsedLine& line, int64_t unix_us);

// Cuts what a descriptor gives into lines. Memory: one buffer of kBufferBytes, inside.
class LineReader {
 public:
  static constexpr size_t kMostBytes = 512;  // of one line
  static constexpr size_t kBufferBytes = 16384;

  explicit LineReader(int fd);

  // Reads once, as much as is there and fits. REQUIRES: Next() had no line left.
  // Blocks: until there is something; poll before.
  void ReadMore(TimePoint now = TimePoint::min());
  // Goes on, after the end or not: the descriptor was opened anew.
  void Resume() {
    ended_ = false;
    error_ = 0;
  }
  // There was nothing to read at `now`.
  void SeenEmpty(TimePoint now) { empty_at_ = now; }
  // The line that Next() gave last was not there to be read before this.
  TimePoint not_before() const { return not_before_; }
  // The next complete line, without its end; the last one may lack an end. Nothing: ReadMore()
  // first, or AtEnd(). A line that is too long comes once, cut, with too_long() true.
  std::optional<std::string_view> Next();

  // Everything was read and given out.
  bool AtEnd() const { return ended_ && begin_ == end_; }
  // There is the beginning of a line whose end has not come. REQUIRES: Next() had no line left.
  bool HasPartial() const { return begin_ != end_; }
  // The error that ended it, as errno; 0: none.
  int error() const { return error_; }
  // Of the line that Next() gave last; the first is 1.
  uint64_t number() const { return number_; }
  bool too_long() const { return too_long_; }

 private:
  std::string_view Unread() const { return {bytes_.data() + begin_, end_ - begin_}; }
  std::string_view Give(size_t size);
  bool SkipRest();
  TimePoint NotBefore(TimePoint now, size_t got);

  const int fd_;
  std::array<char, kBufferBytes> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool ended_ = false;
  bool skipping_ = false;  // the rest of a line that was too long
  bool too_long_ = false;
  int error_ = 0;
  uint64_t number_ = 0;

  // A pipe holds this many bytes; 0: it is none, and no bound is known.
  const uint64_t pipe_bytes_;
  struct Mark {
    uint64_t bytes = 0;  // that had been read
    TimePoint at = TimePoint::min();
  };
  uint64_t bytes_read_ = 0;
  Mark marks_[2];  // the older one first, at least pipe_bytes_ apart
  TimePoint empty_at_ = TimePoint::min();
  TimePoint not_before_ = TimePoint::min();
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_LINES_H_
