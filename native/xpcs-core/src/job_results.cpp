// Results inside a job file: see job_results.hpp.
#include "xpcs/job_results.hpp"

#include "h5/h5.hpp"
#include "job_file.hpp"

namespace xpcs {
namespace {

/// With a leading slash and none at the end.
std::string absolute(std::string group) {
  if (group.empty() || group[0] != '/') group = '/' + group;
  while (group.size() > 1 && group.back() == '/') group.pop_back();
  return group;
}

bool holds(const std::string& group, const std::string& object) {
  return object == group || (object.size() > group.size() && object.starts_with(group) && object[group.size()] == '/');
}

}  // namespace

JobTarget job_target(const Request& request) {
  if (!request.job) throw Error(Code::invalid_argument, "no job file was given");
  const h5::File job = h5::File::open(*request.job);
  const std::string entry = absolute(request.entry.value_or("/xpcs"));
  if (!job.has(entry)) throw Error(Code::invalid_argument, job.path() + " has no group " + entry + ": is it a job file? --entry names another group");
  JobTarget target;
  target.input = job.text(entry + "/input_file_local").value_or("");
  target.type = analysis_type(job.text(entry + "/analysis_type").value_or(""));
  target.group = absolute(request.exchange.value_or(job.text(entry + "/output_data").value_or("/exchange")));
  for (const std::string& settings : {entry, std::string("/measurement")}) {
    if (target.group == "/" || holds(target.group, settings)) {
      throw Error(Code::invalid_argument, "the result group " + target.group + " of " + job.path() + " holds the job's own settings (" + settings +
                                              "), which a result must not replace; name another group with --exchange");
    }
  }
  return target;
}

void replace_group(const std::string& target, const std::string& source, const std::string& group) {
  const h5::File from = h5::File::open(source);
  // One opening for both, so that the copy takes the place of what was deleted and the file does not grow with every run.
  h5::File to = h5::File::update(target);
  if (to.has(group)) to.remove(group);
  to.copy_from(from, group, group);
  to.copy_from(from, "/provenance", group + "/provenance");
  to.flush();
}

}  // namespace xpcs
