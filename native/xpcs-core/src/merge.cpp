// Merging repeats: moments are added and divided once; means over time are averaged, series over time are put one after
// the other. What each layout calls these is merge_layouts.cpp.
#include "xpcs/merge.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <map>

#include "merge_layouts.hpp"
#include "moments_file.hpp"
#include "partial_file.hpp"

namespace xpcs {
namespace {

struct Repeat {
  const h5::File& file;
  const ResultPlaces& places;
  const Moments& moments;
};

/// The partition maps: the q-map's hash, its digest, or the job file's maps, whichever both results have.
bool same_maps(const Repeat& a, const Repeat& b) {
  if (a.file.text_attribute("/xpcs/qmap", "hash") != b.file.text_attribute("/xpcs/qmap", "hash")) return false;
  if (a.places.layout == Layout::nexus) return true;
  const auto digest = [](const Repeat& r) { return r.file.text(r.places.provenance + "/qmap_sha256"); };
  if (digest(a) != digest(b)) return false;
  for (const char* map : {"/xpcs/dqmap", "/xpcs/sqmap", "/xpcs/mask"}) {
    if (a.file.has(map) != b.file.has(map)) return false;
    if (a.file.has(map) && a.file.doubles(map) != b.file.doubles(map)) return false;
  }
  return true;
}

/// What must agree between repeats, as a person would name it.
std::string difference(const Repeat& a, const Repeat& b) {
  if (a.places.layout != b.places.layout || a.places.group != b.places.group) return "the layout (NeXus, or the group of the exchange layout)";
  if (!same_maps(a, b)) return "the q-map";
  if (a.moments.delayFrames != b.moments.delayFrames) return "the delays (length of the series or delays per level)";
  if (a.moments.terms != b.moments.terms) return "the number of frames";
  if (a.moments.dynamicOfStatic != b.moments.dynamicOfStatic || a.moments.pixels != b.moments.pixels) return "the partitions (mask)";
  if (a.moments.exact != b.moments.exact) return "the kind of values (integer counts, or darks, flatfield and normalisation)";
  if (a.file.number(a.places.stride) != b.file.number(b.places.stride)) return "the stride";
  if (a.file.number(a.places.average) != b.file.number(b.places.average)) return "the frames averaged into one";
  if (a.file.shape(a.places.map) != b.file.shape(b.places.map)) return "the detector's shape";
  return "";
}

/// How a result averaged its static bins. @throws corrupt_data
Averaging averaging_of(const h5::File& file, const ResultPlaces& places) {
  const std::string name = file.text(places.averaging).value_or("plain");
  for (const Averaging averaging : {Averaging::plain, Averaging::weighted, Averaging::robust}) {
    if (name == averaging_name(averaging)) return averaging;
  }
  throw Error(Code::corrupt_data, places.averaging + " of " + file.path() + " is " + name + ", which is none of this version's");
}

/// Whether the file also holds C2 matrices, which stay behind.
bool has_two_time(const h5::File& file, const ResultPlaces& places) {
  return file.has(places.layout == Layout::nexus ? "/xpcs/twotime/processed_bins" : places.group + "/g2full");
}

/// The same photons must not count twice.
void refuse_same(const std::vector<std::string>& inputs) {
  std::map<std::pair<dev_t, ino_t>, std::string> seen;
  for (const std::string& input : inputs) {
    struct stat facts {};
    if (::stat(input.c_str(), &facts) != 0) continue;  // said where it is opened
    const auto [other, fresh] = seen.emplace(std::pair{facts.st_dev, facts.st_ino}, input);
    if (!fresh) throw Error(Code::invalid_argument, input + " and " + other->second + " are one file: a repeat can be merged once");
  }
}

}  // namespace

MergeSummary merge_results(const MergeRequest& request) {
  if (request.inputs.size() < 2) throw Error(Code::invalid_argument, "merging needs at least two results");
  if (!request.overwrite && std::filesystem::exists(request.out)) throw Error(Code::already_exists, "the output " + request.out + " exists; --overwrite replaces it");
  for (const std::string& input : request.inputs) {
    std::error_code none;
    if (std::filesystem::equivalent(input, request.out, none)) throw Error(Code::invalid_argument, "the output " + request.out + " is one of the inputs; inputs are never written to");
  }
  refuse_same(request.inputs);
  const h5::File first = h5::File::open(request.inputs.front());
  const ResultPlaces places = places_of(first);
  const Moments reference = read_moments(first, places.moments);
  const Averaging averaging = request.averaging.value_or(averaging_of(first, places));
  Moments total = reference;
  StaticSums sums;
  sums.add(first, places, reference);
  MergeSummary summary;
  summary.twoTimeLeftOut = has_two_time(first, places);
  for (std::size_t i = 1; i < request.inputs.size(); ++i) {
    const h5::File file = h5::File::open(request.inputs[i]);
    const ResultPlaces here = places_of(file);
    const Moments moments = read_moments(file, here.moments);
    const std::string what = difference({first, places, reference}, {file, here, moments});
    if (!what.empty()) throw Error(Code::invalid_argument, request.inputs[i] + " does not belong to " + request.inputs.front() + ": they differ in " + what);
    if (!request.averaging && averaging_of(file, here) != averaging) {
      throw Error(Code::invalid_argument, request.inputs[i] + " averages its static bins " + averaging_name(averaging_of(file, here)) + ", " + request.inputs.front() + " " +
                                              averaging_name(averaging) + "; choose one with --averaging");
    }
    add_repeats(total, moments, sums.intensity.size());
    sums.add(file, places, moments);
    summary.twoTimeLeftOut = summary.twoTimeLeftOut || has_two_time(file, places);
  }
  PartialFile partial(request.out);
  {
    h5::File out = h5::File::create(partial.path());
    write_merged(out, first, places, request, averaging, total, sums);
  }
  partial.publish(request.overwrite);
  summary.repeats = total.repeats;
  summary.delays = total.terms.size();
  summary.dynamicBins = total.dynamicBins;
  return summary;
}

}  // namespace xpcs
