// Results inside a job file, where XPCS-Eigen puts them: what the job file says of its own run, and the exchange of one
// group. Publishing (copy, rename) is the caller's.
#pragma once
#include <string>

#include "xpcs/analysis.hpp"

namespace xpcs {

struct JobTarget {
  std::string input;  ///< as the job file spells it; empty when it names none
  std::string group;  ///< of the results, absolute
  AnalysisType type = AnalysisType::multitau;
};

/// Reads them from request.job; request.exchange and request.entry win.
/// @throws invalid_argument no job file, no such entry, or a result group that holds the job's own settings; not_found, corrupt_data
JobTarget job_target(const Request& request);

/// Replaces `group` of the file `target` by the one of `source`, with the source's /provenance as a group inside it. All
/// else of the target stays as it is. Space of the old group is used again.
/// @throws not_found the source lacks the group; io_failed, corrupt_data
void replace_group(const std::string& target, const std::string& source, const std::string& group);

}  // namespace xpcs
