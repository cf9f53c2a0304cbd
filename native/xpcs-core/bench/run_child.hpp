#pragma once
// Runs one program and says how long it took and how much memory it held at most. The parent is this small process, so
// that the child's peak is its own and not what a larger parent had at the fork.
#include <string>
#include <vector>

namespace xpcs::bench {

struct ChildReport {
  int exitCode;
  double wallS;
  double userS;
  double systemS;
  double maxRssBytes;
};

/// Standard output and error go to the named files.
ChildReport run_child(const std::vector<std::string>& command, const std::string& stdoutPath, const std::string& stderrPath);

}  // namespace xpcs::bench
