// The two layouts of merge_layouts.hpp; docs/results.md has their datasets.
#include "merge_layouts.hpp"

#include <cmath>

#include "moments_file.hpp"
#include "time_text.hpp"
#include "xpcs/version.hpp"

namespace xpcs {
namespace {

constexpr const char* kCorrelateAgain = "; correlate its raw data again with xpcs corr, which keeps what merging adds up";

/// The group that holds an exchange result; empty where there is none.
std::string exchange_group(const h5::File& file) {
  for (const std::string& name : file.names("/")) {
    if (file.has("/" + name + "/norm-0-g2")) return "/" + name;
  }
  return "";
}

std::vector<float> floats(const std::vector<double>& values, double divisor, bool finite) {
  std::vector<float> out;
  out.reserve(values.size());
  for (const double value : values) {
    const double mean = value / divisor;
    out.push_back(finite && !std::isfinite(mean) ? 0.0F : static_cast<float>(mean));
  }
  return out;
}

/// Row 0 counts from `first`, row 1 holds the values.
template <class Value>
std::vector<Value> numbered(const std::vector<double>& values, std::size_t first) {
  std::vector<Value> rows(2 * values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    rows[i] = static_cast<Value>(first + i);
    rows[values.size() + i] = static_cast<Value>(values[i]);
  }
  return rows;
}

void append_second_row(std::vector<double>& into, const std::vector<double>& rows) {
  into.insert(into.end(), rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2), rows.end());
}

void write_nexus_merged(h5::File& out, const h5::File& first, const MergeRequest& request, const Moments& moments, const MomentCurves& curves) {
  for (const char* group : {"/entry", "/xpcs/qmap", "/xpcs/multitau/config"}) out.copy_from(first, group, group);
  const hsize_t D = moments.terms.size();
  const hsize_t Q = moments.dynamicBins;
  out.write("/xpcs/multitau/delay_list", {D}, std::vector<std::int64_t>(moments.delayFrames.begin(), moments.delayFrames.end()));
  out.write("/xpcs/multitau/normalized_g2", {D, Q}, floats(curves.g2, 1, true));
  out.write("/xpcs/multitau/normalized_g2_err", {D, Q}, floats(curves.g2Err, 1, true));
  out.write("/xpcs/multitau/pairs", {D, Q}, moments.pairs);
  out.write_texts("/xpcs/average/file_list", request.inputs);
  out.write_text("/xpcs/rawdata_path", first.text("/xpcs/rawdata_path").value_or(""));
}

void write_exchange_merged(h5::File& out, const h5::File& first, const ResultPlaces& places, const MergeRequest& request, const Moments& moments, const MomentCurves& curves, const StaticSums& sums) {
  for (const char* group : {"/xpcs", "/measurement", "/hdf_metadata_version"}) {
    if (first.has(group)) out.copy_from(first, group, group);
  }
  const std::string group = places.group + "/";
  const hsize_t D = moments.terms.size();
  const hsize_t Q = moments.dynamicBins;
  out.write(group + "tau", {1, D}, std::vector<float>(moments.delayFrames.begin(), moments.delayFrames.end()));
  out.write(group + "norm-0-g2", {D, Q}, floats(curves.g2, 1, false));
  out.write(group + "norm-0-stderr", {D, Q}, floats(curves.g2Err, 1, false));
  out.write(group + "partition_norm_factor", {1, 1}, std::vector<float>{static_cast<float>(first.number(group + "partition_norm_factor").value_or(1))});
  out.write(group + "timestamp_clock", {2, sums.clock.size()}, numbered<double>(sums.clock, 1));
  out.write(group + "timestamp_tick", {2, sums.tick.size()}, numbered<double>(sums.tick, 1));
  out.write_texts(group + "file_list", request.inputs);
}

void write_merge_provenance(h5::File& out, const h5::File& first, const ResultPlaces& places, const MergeRequest& request, Averaging averaging) {
  const auto text = [&](const std::string& name, const std::string& value) { out.write_text("/provenance/" + name, value); };
  const std::string of = places.provenance + "/";
  text("program", "xpcs-runtime");
  text("version", kVersion);
  text("written_at", now_text());
  text("pooling", request.pooling == Pooling::per_repeat ? "sum of G2 over sum of IP x IF, the product per repeat" : "sum of G2 over (sum of IP) x (sum of IF)");
  text("conventions", first.text(of + "conventions").value_or("") + "; merged: of the sums over the repeats " + averaging_text(averaging) +
                          ", standard error from the pixels' influence on g2 in every repeat");
  for (const char* name : {"stride", "average", "delays_per_level", "static_window"}) {
    if (const auto value = first.number(of + name)) out.write(std::string("/provenance/") + name, {}, std::vector<std::int64_t>{static_cast<std::int64_t>(*value)});
  }
  if (const auto digest = first.text(of + "qmap_sha256")) text("qmap_sha256", *digest);
  for (const auto& [name, value] : request.provenance) text(name, value);
}

void write_repeats(h5::File& out, const MergeRequest& request) {
  if (request.rows == 0) return;
  for (const auto& [name, values] : request.numbers) {
    const hsize_t columns = values.size() / request.rows;
    out.write("/repeats/" + name, columns == 1 ? std::vector<hsize_t>{request.rows} : std::vector<hsize_t>{request.rows, columns}, values);
  }
  for (const auto& [name, values] : request.texts) out.write_texts("/repeats/" + name, values);
}

}  // namespace

ResultPlaces places_of(const h5::File& file) {
  ResultPlaces places;
  if (file.has("/xpcs/multitau/normalized_g2")) {
    places = {Layout::nexus, "/xpcs", "/moments", "/xpcs/temporal_mean/scattering_2d", "/xpcs/temporal_mean/scattering_1d", "/xpcs/temporal_mean/scattering_1d_segments",
              "/xpcs/spatial_mean/intensity_vs_time", "/provenance", "/xpcs/multitau/config/stride_frame", "/xpcs/multitau/config/avg_frame",
              "/xpcs/multitau/config/averaging"};
  } else if (const std::string group = exchange_group(file); !group.empty()) {
    const std::string provenance = file.has(group + "/provenance/program") ? group + "/provenance" : "/provenance";
    places = {Layout::exchange, group, group + "/moments", group + "/pixelSum", group + "/partition-mean-total", group + "/partition-mean-partial",
              group + "/frameSum", provenance, provenance + "/stride", provenance + "/average", provenance + "/averaging"};
  } else if (file.has("/xpcs/twotime/processed_bins")) {
    throw Error(Code::invalid_argument, file.path() + " holds a two-time analysis only, and C2 matrices are not merged; correlate with --type both");
  } else {
    throw Error(Code::invalid_argument, file.path() + " holds no multi-tau result of either layout");
  }
  if (!file.has(places.moments + "/influence")) {
    throw Error(Code::invalid_argument, file.path() + " has no " + places.moments + ": it is of another program, or of a version before merging" + kCorrelateAgain);
  }
  return places;
}

void StaticSums::add(const h5::File& file, const ResultPlaces& places, const Moments& moments) {
  const std::size_t before = intensity.size();
  append_second_row(intensity, file.doubles(places.intensity));
  const auto counted = static_cast<double>(intensity.size() - before - moments.badFrames.size());
  frames += counted;
  const auto accumulate = [&](std::vector<double>& into, const std::vector<double>& values) {
    into.resize(values.size(), 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) into[i] += values[i] * counted;
  };
  accumulate(map, file.doubles(places.map));
  accumulate(curve, file.doubles(places.curve));
  const auto rows = file.doubles(places.segments);
  segments.insert(segments.end(), rows.begin(), rows.end());
  if (places.layout != Layout::exchange) return;
  append_second_row(clock, file.doubles(places.group + "/timestamp_clock"));
  append_second_row(tick, file.doubles(places.group + "/timestamp_tick"));
}

void write_merged(h5::File& out, const h5::File& first, const ResultPlaces& places, const MergeRequest& request, Averaging averaging, const Moments& moments,
                  const StaticSums& sums) {
  const bool nexus = places.layout == Layout::nexus;
  const MomentCurves curves = curves_of(moments, request.pooling, averaging);
  if (nexus) {
    write_nexus_merged(out, first, request, moments, curves);
  } else {
    write_exchange_merged(out, first, places, request, moments, curves, sums);
  }
  const hsize_t S = sums.curve.size();
  out.write(places.map, first.shape(places.map), floats(sums.map, sums.frames, nexus), nexus);
  out.write(places.curve, {1, S}, floats(sums.curve, sums.frames, nexus));
  out.write(places.segments, {sums.segments.size() / S, S}, floats(sums.segments, 1, nexus));
  out.write(places.intensity, {2, sums.intensity.size()}, numbered<float>(sums.intensity, nexus ? 0 : 1));
  write_moments(out, places.moments, moments);
  if (out.has(places.averaging)) out.remove(places.averaging);
  out.write_text(places.layout == Layout::nexus ? places.averaging : "/provenance/averaging", averaging_name(averaging));
  write_merge_provenance(out, first, places, request, averaging);
  write_repeats(out, request);
  out.flush();
}

}  // namespace xpcs
