// Resolves a request against its job file and q-map into one set of settings: the request wins, then the job file,
// then the defaults of docs/cli.md.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "bad_frames.hpp"
#include "formats/rigaku_modules.hpp"
#include "job_file.hpp"
#include "monitor.hpp"
#include "result_file.hpp"
#include "stream_settings.hpp"
#include "two_time_settings.hpp"

namespace xpcs {
namespace {

Format resolve_format(const Request& request, const std::string& input) {
  if (request.format) return *request.format;
  const auto source = open_file(input);
  if (source->size() == 0) throw Error(Code::corrupt_data, input + " is empty (0 bytes): no frame to read");
  const auto format = detect_format(*source);
  if (format) return *format;
  throw Error(Code::unsupported, input + " (" + std::to_string(source->size()) +
                                     " bytes) is of no format that its first bytes tell (IMM, Rigaku, HDF5); if it is one of them it is damaged at byte 0, otherwise pass --format");
}

/// NAME.000 and its five siblings for a Rigaku 3M; nothing for any other name.
std::vector<std::string> module_files(const std::string& input) {
  const std::string extension = std::filesystem::path(input).extension().string();
  if (extension.size() != 4 || extension.compare(1, 2, "00") != 0 || extension[3] < '0' || extension[3] > '5') return {};
  const std::string stem = input.substr(0, input.size() - 1);
  if (extension != ".000") {
    throw Error(Code::invalid_argument, input + " is one of the six files of a Rigaku 3M; give the first, " + stem + "0: the others are found beside it");
  }
  std::vector<std::string> files;
  for (char module = '0'; module <= '5'; ++module) {
    files.push_back(stem + module);
    if (!std::filesystem::exists(files.back())) {
      throw Error(Code::not_found, files.back() + " is missing: a Rigaku 3M has six files, .000 to .005; wait until all are there, or copy it");
    }
  }
  return files;
}

void resolve_rigaku(const Request& request, Settings& settings) {
  settings.modules = module_files(settings.input);
  const bool fits = settings.reader.height == (settings.modules.empty() ? 512U : kCanvasRows) && settings.reader.width == (settings.modules.empty() ? 1024U : kCanvasColumns);
  if (!settings.modules.empty()) {
    if (request.pixelOrder) throw Error(Code::invalid_argument, "--pixel-order does not apply to a Rigaku 3M: its modules have fixed places");
    settings.reader.pixelOrder = PixelOrder::row_major;
    settings.reader.firstFrame = request.firstFrame.value_or(0);
  }
  if (fits || (request.job && settings.modules.empty())) return;
  throw Error(Code::invalid_argument, std::string("a Rigaku ") + (settings.modules.empty() ? "500k frame is 512 x 1024" : "3M frame is 1676 x 2100") +
                                          " (rows x columns), the q-map is " + std::to_string(settings.reader.height) + " x " +
                                          std::to_string(settings.reader.width) + "; use the q-map of this detector");
}

void refuse_output_in_place(const Request& request, const std::string& input) {
  const std::filesystem::path folder = std::filesystem::path(request.out).parent_path();
  if (!folder.empty() && ::access(folder.c_str(), W_OK) != 0) {
    throw Error(Code::invalid_argument, "the output's folder " + folder.string() + " " + (errno == ENOENT ? "does not exist: make it first" : "cannot be written to: " + std::string(std::strerror(errno))));
  }
  struct stat out {};
  if (::stat(request.out.c_str(), &out) != 0) return;
  for (const auto& path : {std::optional(input), request.qmap, request.job, request.metadata}) {
    struct stat in {};
    if (path && ::stat(path->c_str(), &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
      throw Error(Code::invalid_argument, "the output " + request.out + " is one of the inputs (" + *path + "); inputs are never written to");
    }
  }
  if (S_ISDIR(out.st_mode)) throw Error(Code::invalid_argument, "the output " + request.out + " is a folder; name a file");
  if (!S_ISREG(out.st_mode)) throw Error(Code::invalid_argument, "the output " + request.out + " is not a regular file; name a new one");
  if (!request.overwrite) throw Error(Code::already_exists, "the output " + request.out + " exists; --overwrite replaces it");
}

/// Different results, none of them in place of another q-map.
void check_apart(std::span<const Request> requests) {
  const auto spelled = [](const std::string& path) { return std::filesystem::absolute(path).lexically_normal(); };
  for (const Request& one : requests) {
    for (const Request& other : requests) {
      if (&one == &other) continue;
      if (spelled(one.out) == spelled(other.out)) throw Error(Code::invalid_argument, "two q-maps would both be written to " + one.out + "; name their results apart");
      std::error_code none;
      if (std::filesystem::equivalent(one.out, *other.qmap, none)) {
        throw Error(Code::invalid_argument, "the output " + one.out + " is one of the q-maps (" + *other.qmap + "); inputs are never written to");
      }
    }
  }
}

Errors usual_errors(const Request& request, const Settings& settings) {
  if (request.compat == Compat::boost_corr) return Errors::boost_corr;
  // The exchange layout's column is by definition XPCS-Eigen's.
  return settings.layout == Layout::exchange || request.compat == Compat::xpcs_eigen ? Errors::xpcs_eigen : Errors::influence;
}

void resolve_errors(const Request& request, Settings& settings) {
  settings.averaging = request.averaging.value_or(Averaging::plain);
  if (settings.averaging == Averaging::plain) {
    settings.errors = request.errors.value_or(usual_errors(request, settings));
    return;
  }
  const std::string given = std::string("--averaging ") + averaging_name(settings.averaging);
  if (request.compat != Compat::none) throw Error(Code::invalid_argument, given + " is neither XPCS-Eigen's nor boost_corr's, whose mean is plain; leave it or --compat out");
  if (request.errors && *request.errors != Errors::influence) {
    throw Error(Code::invalid_argument, "--errors " + std::string(errors_name(*request.errors)) + " is the error of a plain mean; " + given + " has its own: leave --errors out");
  }
  if (settings.type == AnalysisType::twotime) throw Error(Code::invalid_argument, given + " has no effect on a two-time analysis");
  settings.errors = Errors::influence;
}

}  // namespace

const char* errors_name(Errors errors) noexcept {
  switch (errors) {
    case Errors::influence: return "influence";
    case Errors::xpcs_eigen: return "xpcs-eigen";
    case Errors::boost_corr: return "boost-corr";
  }
  return "?";
}

Settings resolve_settings(const Request& request) {
  Settings settings;
  if (!request.qmap && !request.job) throw Error(Code::invalid_argument, "neither a q-map nor a job file was given: pass --qmap or --job");
  if (request.job && request.compat == Compat::boost_corr) {
    throw Error(Code::invalid_argument, "--compat boost-corr does not go with a job file, which boost_corr does not read; give the maps with --qmap");
  }
  if (request.job) {
    const h5::File job = h5::File::open(*request.job);
    read_job_file(job, request.entry.value_or("/xpcs"), request, settings);
  } else if (request.entry) {
    throw Error(Code::invalid_argument, "--entry names a group of a job file; it needs --job");
  }
  if (request.qmap) {
    const ReaderOptions ofJob = settings.reader;
    read_qmap_file(h5::File::open(*request.qmap), settings);
    if (request.job && (settings.reader.height != ofJob.height || settings.reader.width != ofJob.width)) {
      throw Error(Code::invalid_argument, "the q-map is " + std::to_string(settings.reader.height) + " x " + std::to_string(settings.reader.width) +
                                              ", the detector of the job file " + std::to_string(ofJob.height) + " x " + std::to_string(ofJob.width));
    }
  }
  if (request.input) settings.input = *request.input;
  if (settings.input.empty()) throw Error(Code::invalid_argument, "no input file was given");
  if (!request.input && ::access(settings.input.c_str(), F_OK) != 0) {
    throw Error(Code::not_found, "the raw file " + settings.input + ", which the job file " + *request.job + " names, does not exist; --input FILE names another");
  }
  settings.format = resolve_format(request, settings.input);

  if (request.type) settings.type = *request.type;
  if (request.begin) settings.begin = *request.begin;
  if (request.end) settings.end = *request.end;
  settings.endAtMost = request.endAtMost;
  if (request.stride) settings.stride = *request.stride;
  if (request.average) settings.average = *request.average;
  if (request.dpl) settings.dpl = *request.dpl;
  if (settings.begin == 0 || settings.stride == 0 || settings.average == 0 || settings.dpl == 0) {
    throw Error(Code::invalid_argument, "begin, stride, average and delays per level start at 1");
  }
  if (settings.end && *settings.end < settings.begin) {
    throw Error(Code::invalid_argument, "the frame range " + std::to_string(settings.begin) + " to " + std::to_string(*settings.end) + " is empty");
  }
  settings.layout = request.layout.value_or(request.job ? Layout::exchange : Layout::nexus);
  if (settings.layout == Layout::nexus && request.exchange) settings.warnings.emplace_back("--exchange has no effect: it names the group of the exchange layout");
  if (settings.layout == Layout::exchange && (request.metadata || request.frameTimeS)) {
    settings.warnings.emplace_back("--metadata and --frame-time have no effect: the exchange layout has no place for them");
  }
  if (request.exchange) settings.resultGroup = *request.exchange;
  if (settings.resultGroup.empty() || settings.resultGroup == "/") throw Error(Code::invalid_argument, "the result group must be a name such as /exchange");
  if (settings.resultGroup[0] != '/') settings.resultGroup = '/' + settings.resultGroup;
  for (const char* taken : {"/xpcs", "/measurement", "/provenance", "/hdf_metadata_version"}) {
    if (settings.resultGroup == taken || settings.resultGroup.rfind(std::string(taken) + "/", 0) == 0) {
      throw Error(Code::invalid_argument, "the result group " + settings.resultGroup + " lies inside " + taken + ", which the file needs; name another");
    }
  }
  resolve_errors(request, settings);
  if (request.partials && settings.type == AnalysisType::twotime) throw Error(Code::invalid_argument, "--partials has no effect on a two-time analysis");
  if (settings.type == AnalysisType::twotime) settings.partials = 0;
  if (request.partials) settings.partials = *request.partials;
  if (request.leverage && settings.type == AnalysisType::twotime) throw Error(Code::invalid_argument, "--leverage has no effect on a two-time analysis");
  if (request.leverage && settings.layout != Layout::nexus) throw Error(Code::invalid_argument, "--leverage needs the NeXus layout, which has a place for it; add --layout nexus");
  settings.splitBins = request.compat == Compat::xpcs_eigen ? SplitBins::drop_minority : SplitBins::error;
  settings.threads = request.threads.value_or(std::max(1U, std::thread::hardware_concurrency()));

  const bool eventWords = settings.format == Format::rigaku || settings.format == Format::ufxc;
  settings.reader.exactShape = !request.job;
  settings.reader.unsignedCounts = request.unsignedCounts;
  if (eventWords && request.job) {
    settings.reader.pixelOrder = PixelOrder::column_major;
    settings.reader.firstFrame = settings.format == Format::rigaku ? 1 : 0;
  }
  if (!eventWords && (request.pixelOrder || request.firstFrame)) {
    throw Error(Code::invalid_argument, std::string("--pixel-order and --first-frame apply to Rigaku and UFXC, not to ") + format_name(settings.format));
  }
  if (request.unsignedCounts && settings.format != Format::imm) throw Error(Code::invalid_argument, "--unsigned applies to IMM files only");
  if (settings.format == Format::ufxc && request.firstFrame) throw Error(Code::invalid_argument, "--first-frame does not apply to UFXC: its first word is frame 1");
  if (request.pixelOrder) settings.reader.pixelOrder = *request.pixelOrder;
  if (request.firstFrame) settings.reader.firstFrame = *request.firstFrame;
  if (settings.format == Format::rigaku) resolve_rigaku(request, settings);
  settings.reader.threads = settings.threads;
  if (request.compat == Compat::boost_corr && !request.monitor) settings.normalizeByFrameSum = true;
  if (request.normalizeByFrameSum) settings.normalizeByFrameSum = *request.normalizeByFrameSum;
  if (request.monitor) {
    if (settings.normalizeByFrameSum) throw Error(Code::invalid_argument, "a monitor and the frame sum cannot both normalise; pass --normalize none with --monitor");
    settings.monitor = read_monitor(*request.monitor);
  }
  if (settings.type != AnalysisType::multitau) resolve_two_time(request, settings);
  else refuse_two_time_options(request);
  settings.badFrames = request.badFrames.value_or("");
  (void)FrameList::parse(settings.badFrames);
  if (settings.type != AnalysisType::multitau && (!settings.badFrames.empty() || request.monitor)) {
    throw Error(Code::unsupported, "bad frames and a monitor are not supported for two-time analysis yet; --type multitau takes them");
  }
  settings.streaming = request.streaming;
  if (settings.streaming) resolve_streaming(request, settings);
  else if (request.memoryGb && settings.type == AnalysisType::multitau) settings.warnings.emplace_back("--memory-gb has no effect: it limits two-time and --streaming");
  refuse_output_in_place(request, settings.input);
  if (settings.layout == Layout::nexus) check_nexus_inputs(request, settings);
  return settings;
}

std::vector<Settings> resolve_settings(std::span<const Request> requests) {
  std::vector<Settings> all;
  if (requests.size() == 1) {
    all.push_back(resolve_settings(requests.front()));  // a list in braces would copy the maps
    return all;
  }
  for (const Request& request : requests) {
    const std::string& qmap = *request.qmap;
    try {
      all.push_back(resolve_settings(request));
    } catch (const Error& error) {
      const std::string message = error.what();
      throw Error(error.code(), message.find(qmap) == std::string::npos ? message + " (with the q-map " + qmap + ")" : message);
    }
    const ReaderOptions& first = all.front().reader;
    const ReaderOptions& reader = all.back().reader;
    if (reader.height != first.height || reader.width != first.width) {
      throw Error(Code::invalid_argument, "the q-map " + qmap + " is " + std::to_string(reader.height) + " x " + std::to_string(reader.width) + ", " + *requests.front().qmap + " is " +
                                              std::to_string(first.height) + " x " + std::to_string(first.width) + "; one pass serves q-maps of one detector");
    }
  }
  check_apart(requests);
  return all;
}

std::vector<Request> requests_of(const Request& request, std::span<const FurtherMap> further) {
  if (!further.empty() && !request.qmap) throw Error(Code::invalid_argument, "further q-maps need a first one: pass --qmap");
  std::vector<Request> requests{request};
  for (const FurtherMap& map : further) {
    Request& next = requests.emplace_back(request);
    next.qmap = map.qmap;
    next.out = map.out;
    next.provenance = map.provenance;
  }
  return requests;
}

}  // namespace xpcs
