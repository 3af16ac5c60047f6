// tools/common/text.h - what the programs take from src/base to put texts together.
#ifndef ROOST_TOOLS_COMMON_TEXT_H_
#define ROOST_TOOLS_COMMON_TEXT_H_

#include <string_view>

#include "absl/status/status.h"
#include "base/byte_size.h"
#include "base/duration.h"
#include "base/percentiles.h"
#include "base/text.h"
#include "base/utf8.h"
#include "roost/next_step.h"

namespace roost::tools {

using internal::BoundedText;
using internal::Brief;
using internal::Bytes;
using internal::FormatBytes;
using internal::FormatDuration;
using internal::FormatPercentiles;
using internal::InSeconds;
using internal::MessageOf;
using internal::Percentiles;
using internal::PercentilesOf;
using internal::PlainText;
using internal::TextLine;

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_TEXT_H_
