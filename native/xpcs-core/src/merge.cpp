// Merging repeats: moments are added and divided once; means over time are averaged (repeats have one length), series over
// time are put one after the other.
#include "xpcs/merge.hpp"

#include <cmath>
#include <filesystem>

#include "h5/h5.hpp"
#include "moments_file.hpp"
#include "partial_file.hpp"
#include "time_text.hpp"
#include "xpcs/version.hpp"

namespace xpcs {
namespace {

constexpr const char* kIntensity = "/xpcs/spatial_mean/intensity_vs_time";
constexpr const char* kMap = "/xpcs/temporal_mean/scattering_2d";
constexpr const char* kCurve = "/xpcs/temporal_mean/scattering_1d";
constexpr const char* kSegments = "/xpcs/temporal_mean/scattering_1d_segments";
constexpr const char* kAveraging = "/xpcs/multitau/config/averaging";

/// How a result averaged its static bins. @throws corrupt_data
Averaging averaging_of(const h5::File& file) {
  const std::string name = file.text(kAveraging).value_or("plain");
  for (const Averaging averaging : {Averaging::plain, Averaging::weighted, Averaging::robust}) {
    if (name == averaging_name(averaging)) return averaging;
  }
  throw Error(Code::corrupt_data, std::string(kAveraging) + " of " + file.path() + " is " + name + ", which is none of this version's");
}

/// What must agree between repeats, as a person would name it.
std::string difference(const h5::File& a, const h5::File& b, const Moments& ma, const Moments& mb) {
  if (a.text_attribute("/xpcs/qmap", "hash") != b.text_attribute("/xpcs/qmap", "hash")) return "the q-map";
  if (ma.delayFrames != mb.delayFrames) return "the delays (length of the series or delays per level)";
  if (ma.terms != mb.terms) return "the number of frames";
  if (ma.dynamicOfStatic != mb.dynamicOfStatic || ma.pixels != mb.pixels) return "the partitions (mask)";
  if (ma.exact != mb.exact) return "the kind of values (integer counts, or darks, flatfield and normalisation)";
  for (const char* name : {"stride_frame", "avg_frame"}) {
    if (a.number(std::string("/xpcs/multitau/config/") + name) != b.number(std::string("/xpcs/multitau/config/") + name)) return name;
  }
  if (a.shape(kMap) != b.shape(kMap)) return "the detector's shape";
  return "";
}

std::vector<float> floats(const std::vector<double>& values) {
  std::vector<float> out;
  for (const double value : values) out.push_back(std::isfinite(value) ? static_cast<float>(value) : 0.0F);
  return out;
}

/// Sums over the repeats of what is not a moment.
struct StaticSums {
  std::vector<double> map, curve, segments, intensity;

  void add(const h5::File& file, double repeats) {
    const auto accumulate = [&](std::vector<double>& into, const std::vector<double>& values) {
      into.resize(values.size(), 0.0);
      for (std::size_t i = 0; i < values.size(); ++i) into[i] += values[i] * repeats;
    };
    accumulate(map, file.doubles(kMap));
    accumulate(curve, file.doubles(kCurve));
    const auto rows = file.doubles(kSegments);
    segments.insert(segments.end(), rows.begin(), rows.end());
    const auto series = file.doubles(kIntensity);
    intensity.insert(intensity.end(), series.begin() + static_cast<std::ptrdiff_t>(series.size() / 2), series.end());
  }
};

void write_merged(h5::File& out, const h5::File& first, const MergeRequest& request, Averaging averaging, const Moments& moments, StaticSums& sums) {
  for (const char* group : {"/entry", "/xpcs/qmap", "/xpcs/multitau/config"}) out.copy_from(first, group, group);
  if (out.has(kAveraging)) out.remove(kAveraging);
  out.write_text(kAveraging, averaging_name(averaging));
  const MomentCurves curves = curves_of(moments, request.pooling, averaging);
  const hsize_t D = moments.terms.size();
  const hsize_t Q = moments.dynamicBins;
  out.write("/xpcs/multitau/delay_list", {D}, std::vector<std::int64_t>(moments.delayFrames.begin(), moments.delayFrames.end()));
  out.write("/xpcs/multitau/normalized_g2", {D, Q}, floats(curves.g2));
  out.write("/xpcs/multitau/normalized_g2_err", {D, Q}, floats(curves.g2Err));
  out.write("/xpcs/multitau/pairs", {D, Q}, moments.pairs);
  for (auto* values : {&sums.map, &sums.curve}) {
    for (double& value : *values) value /= static_cast<double>(moments.repeats);
  }
  out.write(kMap, first.shape(kMap), floats(sums.map), true);
  out.write(kCurve, {1, sums.curve.size()}, floats(sums.curve));
  out.write(kSegments, {sums.segments.size() / sums.curve.size(), sums.curve.size()}, floats(sums.segments));
  std::vector<float> intensity(2 * sums.intensity.size());
  for (std::size_t i = 0; i < sums.intensity.size(); ++i) {
    intensity[i] = static_cast<float>(i);
    intensity[sums.intensity.size() + i] = static_cast<float>(sums.intensity[i]);
  }
  out.write(kIntensity, {2, sums.intensity.size()}, intensity);
  out.write_texts("/xpcs/average/file_list", request.inputs);
  out.write_text("/xpcs/rawdata_path", first.text("/xpcs/rawdata_path").value_or(""));
  write_moments(out, moments);
  out.write_text("/provenance/program", "xpcs-runtime");
  out.write_text("/provenance/version", kVersion);
  out.write_text("/provenance/written_at", now_text());
  out.write_text("/provenance/pooling", request.pooling == Pooling::per_repeat ? "sum of G2 over sum of IP x IF, the product per repeat" : "sum of G2 over (sum of IP) x (sum of IF)");
  out.write_text("/provenance/conventions", first.text("/provenance/conventions").value_or("") + "; merged: of the sums over the repeats " + averaging_text(averaging) +
                                                  ", standard error from the pixels' influence on g2 in every repeat");
  for (const auto& [name, value] : request.provenance) out.write_text("/provenance/" + name, value);
  out.flush();
}

}  // namespace

MergeSummary merge_results(const MergeRequest& request) {
  if (request.inputs.size() < 2) throw Error(Code::invalid_argument, "merging needs at least two results");
  if (!request.overwrite && std::filesystem::exists(request.out)) throw Error(Code::already_exists, "the output " + request.out + " exists; --overwrite replaces it");
  for (const std::string& input : request.inputs) {
    std::error_code none;
    if (std::filesystem::equivalent(input, request.out, none)) throw Error(Code::invalid_argument, "the output " + request.out + " is one of the inputs; inputs are never written to");
  }
  const h5::File first = h5::File::open(request.inputs.front());
  Moments total = read_moments(first);
  const Moments reference = total;
  const Averaging averaging = request.averaging.value_or(averaging_of(first));
  StaticSums sums;
  sums.add(first, static_cast<double>(total.repeats));
  for (std::size_t i = 1; i < request.inputs.size(); ++i) {
    const h5::File file = h5::File::open(request.inputs[i]);
    const Moments moments = read_moments(file);
    const std::string what = difference(first, file, reference, moments);
    if (!what.empty()) throw Error(Code::invalid_argument, request.inputs[i] + " does not belong to " + request.inputs.front() + ": they differ in " + what);
    if (!request.averaging && averaging_of(file) != averaging) {
      throw Error(Code::invalid_argument, request.inputs[i] + " averages its static bins " + averaging_name(averaging_of(file)) + ", " + request.inputs.front() + " " +
                                              averaging_name(averaging) + "; choose one with --averaging");
    }
    for (std::size_t at = 0; at < total.moment.size(); ++at) total.moment[at].add(moments.moment[at]);
    for (std::size_t at = 0; at < total.pairs.size(); ++at) total.pairs[at] += moments.pairs[at];
    total.repeats += moments.repeats;
    sums.add(file, static_cast<double>(moments.repeats));
  }
  PartialFile partial(request.out);
  {
    h5::File out = h5::File::create(partial.path());
    write_merged(out, first, request, averaging, total, sums);
  }
  partial.publish(request.overwrite);
  return {total.repeats, total.terms.size(), total.dynamicBins};
}

}  // namespace xpcs
