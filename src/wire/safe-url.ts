/** Addresses of others' HTTP APIs in settings: no clear text off this machine. */
import { z } from "zod";
import { isLoopback } from "./loopback.js";

const isSafe = ({ protocol, hostname }: URL): boolean => protocol === "https:" || isLoopback(hostname);

/** @param risk what clear text would do */
export const safeUrl = (risk: string) =>
  z
    .url({ protocol: /^https?$/, error: "must be an address: https://..." })
    .refine((text) => !URL.canParse(text) || isSafe(new URL(text)), `must be https: ${risk}`);
